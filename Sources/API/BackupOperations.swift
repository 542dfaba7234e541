internal import ControlPlane
internal import Cryptography
internal import HTTP
internal import JSON
internal import Linux
internal import Problems
internal import Synchronization
internal import Tar

@Sendable func getBackup(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let backup = try service.node.backup()
    let time = Timestamp(nanoseconds: backup.createdAtNanoseconds).description
    let name = "apiary-\(time.prefix(19).replacing(":", with: "")).tar"
    let headers = [(name: "Content-Disposition", value: "attachment; filename=\"\(name)\"")]
    let stream = try BackupStream(backup, version: service.version)
    return Answer(headers: headers, body: .stream(stream, type: "application/x-tar"))
}

/// A backup as a tar archive, made while it is sent: `backup.json`, which says what follows, then
/// `registry.sqlite`, then `objects/{digest}`. Ends without the last chunk where an object cannot
/// be read whole.
private final class BackupStream: ResponseStream {
    private enum Part: Sendable {
        case bytes([UInt8])
        case registry
        case object(Backup.Object)
        case zeros(Int)
    }

    private struct State {
        var parts: [Part]
        /// Of the first part: what is sent of it.
        var sent = 0
        var file: SharedDescriptor?
    }

    private let backup: Backup
    private let state: Mutex<State>

    init(_ backup: Backup, version: String) throws(Problem) {
        self.backup = backup
        let document = try Self.document(backup, version)
        let time = Int(backup.createdAtNanoseconds / 1_000_000_000)
        var parts: [Part] = []
        func add(_ name: String, _ size: Int, _ part: Part) {
            let header = TarHeader(name: name, sizeBytes: size, modifiedAt: time)
            parts += [.bytes(header.bytes), part, .zeros(header.paddingBytes)]
        }
        add("backup.json", document.count, .bytes(document))
        add("registry.sqlite", backup.registrySizeBytes, .registry)
        for object in backup.objects {
            add("objects/" + object.digest.dropFirst(7), object.sizeBytes, .object(object))
        }
        parts.append(.zeros(TarHeader.endBytes))
        state = Mutex(State(parts: parts.reversed()))
    }

    private static func document(_ backup: Backup, _ version: String) throws(Problem) -> [UInt8] {
        var document = JSONObject()
        document["format"] = 1
        document["apiary"] = .string(version)
        document["created_at"] = Timestamp(nanoseconds: backup.createdAtNanoseconds).json
        document["boot_id"] = .string(backup.bootID)
        document["revision"] = .string(String(backup.revision))
        document["registry"] = [
            "size_bytes": JSONValue(backup.registrySizeBytes),
            "sha256": .string(try registryDigest(backup)),
        ]
        document["objects"] = .array(
            backup.objects.map { object in
                [
                    "digest": .string(object.digest), "size_bytes": JSONValue(object.sizeBytes),
                ]
            })
        return JSONValue.object(document).serialized() + [UInt8(ascii: "\n")]
    }

    private static func registryDigest(_ backup: Backup) throws(Problem) -> String {
        guard let hash = SHA256() else {
            throw Problem(.resourceExhausted, "There is no memory to hash the registry.")
        }
        var offset = 0
        while offset < backup.registrySizeBytes {
            let piece: [UInt8]
            do { piece = try backup.registry.read(at: offset, atMost: 256 << 10) } catch {
                throw Problem(.internalError, "The copy of the registry cannot be read: \(error).")
            }
            if piece.isEmpty { break }
            hash.update(piece.span)
            offset += piece.count
        }
        return hash.hexDigest()
    }

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        let before = buffer.freeCapacity
        let isWhole = state.withLock { state in
            while buffer.freeCapacity > 0, let part = state.parts.last {
                guard let count = send(part, &state, &buffer) else { return false }
                state.sent += count
                guard state.sent == size(of: part) else { continue }
                state.parts.removeLast()
                state.sent = 0
                state.file = nil
            }
            return true
        }
        guard isWhole else { return .abort }
        return buffer.freeCapacity < before ? .more : .end
    }

    private func size(of part: Part) -> Int {
        switch part {
        case .bytes(let bytes): bytes.count
        case .registry: backup.registrySizeBytes
        case .object(let object): object.sizeBytes
        case .zeros(let count): count
        }
    }

    /// - Returns: how many bytes of the part went; nil where it cannot be read whole.
    private func send(
        _ part: Part, _ state: inout State, _ buffer: inout OutputSpan<UInt8>
    ) -> Int? {
        let wanted = min(buffer.freeCapacity, size(of: part) - state.sent)
        guard wanted > 0 else { return 0 }
        let piece: [UInt8]
        switch part {
        case .bytes(let bytes): piece = Array(bytes[state.sent..<state.sent + wanted])
        case .zeros: piece = [UInt8](repeating: 0, count: wanted)
        case .registry:
            do { piece = try backup.registry.read(at: state.sent, atMost: wanted) } catch {
                return nil
            }
        case .object(let object):
            do {
                let file = try state.file ?? SharedDescriptor(try backup.open(object))
                state.file = file
                piece = try file.descriptor.read(at: state.sent, atMost: wanted)
            } catch {
                return nil
            }
        }
        // A file that is shorter than its row says.
        guard !piece.isEmpty else { return nil }
        for byte in piece { buffer.append(byte) }
        return piece.count
    }

    func closed() {}
}
