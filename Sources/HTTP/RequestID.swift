internal import Synchronization

/// Names for requests that the client did not name: 14 characters, unique in one run of the
/// daemon, and between runs but for chance (30 random bits). Short enough to need no allocation.
final class RequestIDs: Sendable {
    private let prefix: UInt64
    private let counter = Atomic<UInt64>(0)
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    init() { prefix = UInt64.random(in: 0..<(1 << 30)) }

    func make() -> String {
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue & ((1 << 40) - 1)
        return unsafe String(unsafeUninitializedCapacity: 14) { text in
            // SAFETY: the buffer has 14 bytes, all of which are written.
            var rest = prefix
            for index in 0..<6 {
                unsafe text[5 - index] = Self.alphabet[Int(rest & 31)]
                rest >>= 5
            }
            rest = number
            for index in 0..<8 {
                unsafe text[13 - index] = Self.alphabet[Int(rest & 31)]
                rest >>= 5
            }
            return 14
        }
    }
}

enum RequestID {
    /// 1 to 128 of [A-Za-z0-9._-].
    static func isSane(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}
