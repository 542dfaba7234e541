internal import ControlPlane
internal import Cryptography
internal import Linux

extension Configuration {
    var quotas: Quotas {
        var quotas = Quotas()
        quotas.objects = integer("max_objects")
        quotas.programs = integer("max_programs")
        quotas.probes = integer("max_probes")
        quotas.maps = integer("max_maps")
        quotas.mapMemoryBytes = integer("max_map_memory_bytes")
        quotas.loadsPerMinute = integer("loads_per_minute")
        quotas.entriesPerDump = integer("entries_per_dump")
        return quotas
    }

    /// - Throws: `CommandRefusal` for a key or digest that is none, and where signatures are
    ///   wanted and there is no key.
    var objectPolicy: ObjectPolicy {
        get throws {
            var policy = ObjectPolicy()
            for digest in list("allowed_objects") {
                let digits = digest.dropFirst(7)
                guard digest.hasPrefix("sha256:"), digits.count == 64,
                    digits.allSatisfy({ $0.isHexDigit && !$0.isUppercase })
                else {
                    throw CommandRefusal(
                        "allowed_objects: \(digest) is not sha256: and 64 lower-case hex digits.")
                }
                policy.digests.insert(digest)
            }
            for entry in map("signing_keys") {
                var text = entry.value
                if text.hasPrefix("/") {
                    do {
                        let bytes = try FileSystem.read(text, limit: 1 << 16)
                        text = String(decoding: bytes, as: UTF8.self)
                    } catch {
                        throw CommandRefusal(
                            "signing_keys: \(entry.name): \(entry.value) cannot be read: \(error).")
                    }
                }
                guard let key = Ed25519Key(text) else {
                    throw CommandRefusal(
                        "signing_keys: \(entry.name) is no Ed25519 public key: openssl pkey "
                            + "-pubout writes one.")
                }
                policy.keys.append((entry.name, key))
            }
            policy.requiresSignature = flag("require_signed")
            guard !policy.requiresSignature || !policy.keys.isEmpty else {
                throw CommandRefusal("require_signed needs signing_keys: nothing could be loaded.")
            }
            return policy
        }
    }
}
