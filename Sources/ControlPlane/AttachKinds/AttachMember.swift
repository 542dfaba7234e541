internal import JSON
internal import Problems

/// A member of a kind's document: its name and what it may hold.
struct AttachMember: Sendable {
    enum Value: Sendable {
        /// Not empty, at most 4095 bytes.
        case text
        /// A text that begins with a slash.
        case path
        case unsigned(ClosedRange<UInt64>)
        case integer(ClosedRange<Int64>)
        case choice([String])
        /// One to so many texts that are not empty.
        case texts(atMost: Int)
        case flag
        /// A probe's id, or a program's id in the kernel.
        case neighbour
    }

    let name: String
    let value: Value

    init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }

    static let cookie = AttachMember("cookie", .unsigned(0...UInt64.max))
    static let processID = AttachMember("pid", .unsigned(1...UInt64(Int32.max)))
    static let namespace = AttachMember("netns", .text)

    /// - Throws: `invalid_member` where the value is no such thing; what is wanted is said.
    func check(_ given: JSONValue, at pointer: JSONPointer) throws(Problem) {
        if let wanted = complaint(about: given) {
            throw Problem(
                .invalidMember, "\(name) must be \(wanted).",
                pointer: pointer.appending(name).description)
        }
    }

    private func complaint(about given: JSONValue) -> String? {
        switch value {
        case .text: return Self.isText(given) ? nil : "a string of 1 to 4095 bytes"
        case .path:
            let isPath = Self.isText(given) && given.string?.hasPrefix("/") == true
            return isPath ? nil : "an absolute path"
        case .unsigned(let range):
            if let number = given.uint64, range.contains(number) { return nil }
            return "an integer from \(range.lowerBound) to \(range.upperBound)"
        case .integer(let range):
            if let number = given.int, range.contains(Int64(number)) { return nil }
            return "an integer from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let words):
            if let text = given.string, words.contains(text) { return nil }
            return "one of " + words.joined(separator: ", ")
        case .texts(let most):
            if let list = given.array, (1...most).contains(list.count), list.allSatisfy(Self.isText)
            {
                return nil
            }
            return "an array of 1 to \(most) strings that are not empty"
        case .flag: return given.bool == nil ? "true or false" : nil
        case .neighbour:
            if Self.isText(given) { return nil }
            if let number = given.uint64, (1...UInt64(UInt32.max)).contains(number) { return nil }
            return "a probe's id, or the kernel's id of a program"
        }
    }

    private static func isText(_ value: JSONValue) -> Bool {
        guard let text = value.string else { return false }
        return (1...4095).contains(text.utf8.count) && !text.utf8.contains(0)
    }
}
