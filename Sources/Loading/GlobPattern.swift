/// A pattern of a shell's kind: `*` any bytes, `?` one, everything else itself.
public struct GlobPattern: Sendable {
    public let text: String
    private let bytes: [UInt8]

    public init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    /// Time: the product of both lengths at worst, since only the last `*` is gone back to.
    public func matches(_ name: String) -> Bool {
        let name = Array(name.utf8)
        var at = 0
        var place = 0
        var star: (at: Int, place: Int)?
        while place < name.count {
            if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
                star = (at, place)
                at += 1
            } else if at < bytes.count,
                bytes[at] == UInt8(ascii: "?") || bytes[at] == name[place]
            {
                at += 1
                place += 1
            } else if let last = star {
                star = (last.at, last.place + 1)
                at = last.at + 1
                place = last.place + 1
            } else {
                return false
            }
        }
        return bytes[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
