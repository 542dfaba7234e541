internal import Linux

/// Takes a body piece by piece to where the plan wants it, and counts.
final class BodyReader {
    private let sink: Admission.Plan.BodySink
    private let limit: Int
    private let gzip: GzipReader?
    private var bytes: [UInt8] = []
    private var file: MemoryFile?
    private var hash = SHA256()
    private var received = 0
    private var size = 0
    /// Set once; what follows is thrown away.
    private(set) var refusal: Refusal?
    private let deadlineNanoseconds: UInt64

    init(_ plan: Admission.Plan, encoding: String?, seconds: Int) {
        sink = plan.body
        // A body where none is wanted is read and forgotten, up to what a careless client may send.
        limit = plan.body == .none ? 64 << 10 : plan.bodyLimit
        deadlineNanoseconds = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        switch encoding?.lowercased() {
        case nil, "identity": gzip = nil
        case "gzip", "x-gzip": gzip = GzipReader()
        case let other?:
            gzip = nil
            refusal = .unsupportedEncoding(other)
        }
        if sink == .file && refusal == nil {
            do { file = try MemoryFile("upload") } catch { refusal = .outOfResources(error) }
        }
    }

    /// Refuses a declared length over the limit before a byte of it is read.
    func expect(length: Int) {
        if length > limit && refusal == nil { refusal = .bodyTooLarge(limit: limit) }
    }

    func take(_ piece: Span<UInt8>) {
        guard refusal == nil else { return }
        received += piece.count
        guard received <= limit else {
            refusal = .bodyTooLarge(limit: limit)
            return
        }
        guard Clock.monotonicNanoseconds() < deadlineNanoseconds else {
            refusal = .bodyTimeout
            return
        }
        guard let gzip else {
            keep(piece)
            return
        }
        let step = gzip.read(piece) { plain in
            keep(plain)
            return refusal == nil
        }
        if step == .malformed && refusal == nil { refusal = .malformedEncoding }
    }

    private func keep(_ piece: Span<UInt8>) {
        size += piece.count
        guard size <= limit else {
            refusal = .bodyTooLarge(limit: limit)
            return
        }
        switch sink {
        case .none: break
        case .memory: for index in piece.indices { bytes.append(piece[index]) }
        case .file:
            hash.update(piece)
            do { try file?.append(piece) } catch { refusal = .outOfResources(error) }
        }
    }

    /// The body, whole; nil with `refusal` set where it is not acceptable.
    func finish() -> Request.Body? {
        if let gzip, received > 0, !gzip.isAtEnd, refusal == nil { refusal = .malformedEncoding }
        guard refusal == nil else { return nil }
        switch sink {
        case .none: return Request.Body.none
        case .memory: return .bytes(bytes)
        case .file:
            guard let file else { return nil }
            do { try file.seal() } catch {
                refusal = .outOfResources(error)
                return nil
            }
            return .file(file, size: size, sha256: hash.finish())
        }
    }
}
