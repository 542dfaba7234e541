internal import Cryptography
internal import Glibc
internal import Linux

/// Takes a request's body as it arrives: unpacks it, counts it against the limit, and puts it
/// into an array or a memory file with its SHA-256. Used on the connection's HTTP thread only.
final class BodyReceiver {
    private enum Sink { case memory, file(MemoryFile) }

    private let limit: Int
    private let sink: Sink
    private let digest: SHA256?
    private let inflater: Inflater?
    private var bytes: [UInt8] = []
    private var size = 0
    /// As sent.
    private(set) var received = 0

    /// - Parameters:
    ///   - place: where the body goes.
    ///   - framing: a length within the limit is room that is taken at once, up to 1 MiB.
    ///   - limit: in bytes, for both sizes.
    /// - Throws: `outOfResources`.
    init(
        into place: Admission.Plan.BodySink, framing: Gate.Framing, limit: Int,
        encoding: Gate.Encoding
    ) throws(Refusal) {
        self.limit = limit
        switch place {
        case .file:
            sink = .file(try Self.makeFile())
            guard let digest = SHA256() else { throw .outOfResources(.enomem) }
            self.digest = consume digest
        case .spool:
            sink = .file(try Self.makeFile())
            digest = nil
        case .none, .memory:
            sink = .memory
            digest = nil
            if case .length(let length) = framing { bytes.reserveCapacity(min(length, 1 << 20)) }
        }
        switch encoding {
        case .identity: inflater = nil
        case .gzip:
            guard let inflater = Inflater() else { throw .outOfResources(.enomem) }
            self.inflater = inflater
        }
    }

    private static func makeFile() throws(Refusal) -> MemoryFile {
        do { return try MemoryFile("apiary-upload") } catch { throw .outOfResources(error) }
    }

    /// - Throws: `bodyTooLarge`, `malformedEncoding`, `outOfResources`.
    func take(_ piece: Span<UInt8>) throws(Refusal) {
        received += piece.count
        guard received <= limit else { throw .bodyTooLarge(limit: limit) }
        guard let inflater else { return try append(piece) }
        try inflater.inflate(piece) { (plain) throws(Refusal) in try append(plain) }
    }

    private func append(_ plain: Span<UInt8>) throws(Refusal) {
        guard plain.count <= limit - size else { throw .bodyTooLarge(limit: limit) }
        size += plain.count
        switch sink {
        case .memory: bytes.append(copying: plain)
        case .file(let file):
            do { try file.append(plain) } catch { throw .outOfResources(error) }
            digest?.update(plain)
        }
    }

    /// To be called once, after the last piece.
    /// - Throws: `malformedEncoding` for a gzip body that is cut off, `outOfResources`.
    func finish() throws(Refusal) -> Request.Body {
        if let inflater, received > 0, !inflater.isComplete { throw .malformedEncoding }
        switch sink {
        case .memory: return .bytes(bytes)
        case .file(let file):
            do {
                try file.seal()
                try check(lseek(file.descriptor.raw, 0, SEEK_SET) < 0 ? -1 : 0)
            } catch { throw .outOfResources(error) }
            return .file(file, size: size, sha256: digest?.hexDigest() ?? "")
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(copying span: Span<UInt8>) {
        unsafe span.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
