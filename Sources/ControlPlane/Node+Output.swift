internal import BPF
public import Linux
public import Problems

/// What an iterator printed in one walk.
public struct ProbeOutput: Sendable {
    public let file: MemoryFile
    public let sizeBytes: Int
}

extension Node {
    /// More than this is refused: an iterator may print without end.
    private static let mostOutputBytes = 256 << 20

    /// What an iterator prints in one walk, collected in memory that is no array of the daemon's.
    /// Blocks for as long as the walk takes.
    /// - Throws: `wrong_kind` of another kind; `conflict` it is not attached; `attach_refused` the
    ///   walk failed or printed too much.
    public func output(ofProbe id: String) throws(Problem) -> ProbeOutput {
        guard let record = state.withLock({ $0.probes[id] }) else {
            throw Problem(.notFound, "There is no probe \(id).")
        }
        guard record.attach.kindName == "iter" else {
            throw Problem(
                .wrongKind,
                "Probe \(id) is of kind \(record.attach.kindName): only iter has an output.")
        }
        guard let link = record.attachment?.link else {
            throw Problem(.conflict, "Probe \(id) is not attached: enable it first.")
        }
        let walk: FileDescriptor
        do { walk = try link.openIterator() } catch {
            throw Problem(error, while: "begin the walk of \(id)")
        }
        do throws(Errno) {
            let file = try MemoryFile("apiary-output")
            var size = 0
            while true {
                let piece = try walk.read(atMost: 64 << 10)
                if piece.isEmpty { return ProbeOutput(file: file, sizeBytes: size) }
                size += piece.count
                guard size <= Self.mostOutputBytes else { throw .efbig }
                try file.append(piece.span)
            }
        } catch {
            throw Problem(
                .attachRefused,
                error == .efbig
                    ? "Probe \(id) printed more than \(Self.mostOutputBytes) bytes: print less."
                    : "The walk of probe \(id) ended early: \(error).",
                errno: error.name, cause: error)
        }
    }
}
