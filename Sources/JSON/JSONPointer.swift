/// A place in a document, RFC 6901: `/globals/target_pid`. The whole document is the empty text.
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    public private(set) var description: String

    /// The whole document.
    public static let root = JSONPointer(description: "")

    private init(description: String) { self.description = description }

    /// The member `name` of the object at this place; `~` and `/` in it are escaped.
    public func appending(_ name: String) -> JSONPointer {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return JSONPointer(description: description + "/" + escaped)
    }

    /// The element `index`, from 0, of the array at this place.
    public func appending(_ index: Int) -> JSONPointer {
        JSONPointer(description: description + "/\(index)")
    }
}

/// The steps from a document's root to where a walk stands. Costs nothing until the pointer is
/// wanted, which is when something is wrong.
public struct JSONPath: Sendable {
    private enum Step: Sendable {
        case name(String)
        case index(Int)
    }

    private var steps: [Step] = []

    public init() {}

    /// Steps taken and not taken back.
    public var depth: Int { steps.count }

    public mutating func enter(_ name: String) { steps.append(.name(name)) }
    public mutating func enter(_ index: Int) { steps.append(.index(index)) }
    /// Takes the last step back. There must be one.
    public mutating func leave() { steps.removeLast() }

    /// The place as a pointer, seen from `base`.
    public func pointer(from base: JSONPointer = .root) -> JSONPointer {
        steps.reduce(base) { pointer, step in
            switch step {
            case .name(let name): pointer.appending(name)
            case .index(let index): pointer.appending(index)
            }
        }
    }
}
