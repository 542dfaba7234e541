public import Cryptography
internal import Linux
public import Problems

/// Which objects may be loaded at all.
public struct ObjectPolicy: Sendable {
    /// Only these digests; empty: every one.
    public var digests: Set<String> = []
    /// Whose signatures are believed, by name.
    public var keys: [(name: String, key: Ed25519Key)] = []
    public var requiresSignature = false

    public init() {}

    /// Asked for every object that a request wants loaded. What is loaded again after a reboot was
    /// let in when it was registered.
    /// - Parameter signature: base64 of 64 bytes, Ed25519 over the object's bytes; nil where none
    ///   was sent.
    /// - Throws: `object_not_allowed`; a signature that is sent must be good, wanted or not.
    public func check(_ object: UploadedObject, signature: String?) throws(Problem) {
        guard digests.isEmpty || digests.contains(object.digest) else {
            throw Problem(
                .objectNotAllowed,
                "\(object.digest) is not among the \(digests.count) digests of allowed_objects.")
        }
        guard let signature else {
            guard !requiresSignature else {
                throw Problem(
                    .objectNotAllowed,
                    "Objects must be signed here: send X-Apiary-Signature, or object.signature.")
            }
            return
        }
        guard let bytes = Base64Text.bytes(signature), bytes.count == 64 else {
            throw Problem(
                .objectNotAllowed, "The signature is not base64 of the 64 bytes of Ed25519.")
        }
        let message: [UInt8]
        do { message = try object.file.contents() } catch {
            throw Problem(error, while: "read the object")
        }
        guard keys.contains(where: { $0.key.verifies(bytes, of: message) }) else {
            throw Problem(
                .objectNotAllowed,
                "The signature is by none of the \(keys.count) signing_keys, or of other bytes.")
        }
    }
}
