internal import Cryptography
internal import Linux
internal import Tar

/// Reads a tar archive from its start to its end, file after file.
struct ArchiveReader: ~Copyable {
    private let file: FileDescriptor
    private var padding = 0

    init(_ file: consuming FileDescriptor) { self.file = file }

    /// The next file's header; its contents must be read before the next call.
    /// - Returns: nil at the end.
    mutating func next() throws -> TarHeader? {
        _ = try exactly(padding)
        padding = 0
        guard let header = try TarHeader(try exactly(TarHeader.blockBytes)) else { return nil }
        padding = header.paddingBytes
        return header
    }

    func contents(of header: TarHeader) throws -> [UInt8] { try exactly(header.sizeBytes) }

    /// Writes the contents to a new file, durably.
    /// - Returns: their SHA-256, in hex.
    func extract(_ header: TarHeader, to path: String) throws -> String {
        let copy = try FileDescriptor.open(path, [.write, .create, .exclusive, .noFollow])
        guard let hash = SHA256() else { throw Errno.enomem }
        var left = header.sizeBytes
        while left > 0 {
            let piece = try file.read(atMost: min(left, 256 << 10))
            guard !piece.isEmpty else { throw Self.cutOff }
            try copy.writeAll(piece.span)
            hash.update(piece.span)
            left -= piece.count
        }
        try copy.synchronize()
        return hash.hexDigest()
    }

    private static let cutOff = TarError(reason: "it is cut off")

    private func exactly(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let piece = try file.read(atMost: min(count - bytes.count, 256 << 10))
            guard !piece.isEmpty else { throw Self.cutOff }
            bytes += piece
        }
        return bytes
    }
}
