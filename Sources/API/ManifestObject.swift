internal import ControlPlane
internal import Cryptography
internal import Linux
internal import Problems

/// Objects that a manifest names by a path in the one folder that the configuration allows.
enum ManifestObject {
    /// The most bytes of one object, as of an upload.
    private static let limit = 32 << 20

    /// - Parameter path: relative to `directory`; `..`, absolute paths and symbolic links that
    ///   lead out of it are refused by the kernel (openat2(2), `RESOLVE_BENEATH`).
    static func read(_ path: String, below directory: String?) throws(Problem) -> UploadedObject {
        let pointer = "/object/path"
        guard let directory else {
            throw Problem(
                .invalidMember,
                "Objects by path are not allowed here: set manifest_objects_dir, or give the "
                    + "object by digest or base64.", pointer: pointer)
        }
        do throws(Errno) {
            let file = try FileDescriptor.openBeneath(directory, path)
            let bytes = try file.readAll(limit: limit)
            let copy = try MemoryFile("object", holding: bytes.span)
            try copy.seal()
            guard let digest = SHA256.hexDigest(of: bytes.span) else { throw .enomem }
            return UploadedObject(file: copy, size: bytes.count, digest: "sha256:" + digest)
        } catch {
            switch error {
            case .exdev, .eloop:
                throw Problem(
                    .invalidMember, "The path \(path) leads out of \(directory).",
                    errno: error.name, pointer: pointer, cause: error)
            case .enoent:
                throw Problem(
                    .notFound, "There is no file \(path) in \(directory).", errno: error.name,
                    pointer: pointer, cause: error)
            case .efbig:
                throw Problem(
                    .objectRefused, "\(path) has more than \(limit) bytes.", errno: error.name,
                    pointer: pointer, cause: error)
            case _ where error.isShortage:
                throw Problem(
                    .resourceExhausted, "\(path) cannot be read: \(error).", errno: error.name)
            default:
                throw Problem(
                    .invalidMember, "\(path) in \(directory) cannot be read: \(error).",
                    errno: error.name, pointer: pointer, cause: error)
            }
        }
    }
}
