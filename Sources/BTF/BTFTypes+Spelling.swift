extension BTFTypes {
    /// As C would write it: `struct event`, `__u32`, `char[16]`, `struct task_struct *`.
    ///
    /// A struct without a name is `struct {…}`, the parameters of a function `…`.
    public func spelling(of type: ID) -> String {
        let (left, right) = declaration(of: type, depth: 0)
        return left + right
    }

    /// The type of a value, whatever its variable promises: `const volatile char[8]` is `char[8]`.
    public func valueSpelling(of type: ID) -> String {
        let (left, right) = declaration(of: type, depth: 0, isValue: true)
        return left + right
    }

    /// What stands left and right of the name that is declared.
    private func declaration(of type: ID, depth: Int, isValue: Bool = false) -> (
        left: String, right: String
    ) {
        guard depth < maximumTypeDepth, let record = record(of: type) else { return ("void", "") }
        let name = string(at: record.nameOffset)
        func inner(isValue: Bool = false) -> (left: String, right: String) {
            declaration(of: record.sizeOrType, depth: depth + 1, isValue: isValue)
        }
        func qualified(_ word: String) -> (left: String, right: String) {
            let (left, right) = inner(isValue: isValue)
            if isValue { return (left, right) }
            return left.hasSuffix("*") ? (left + " " + word, right) : (word + " " + left, right)
        }
        switch record.kind {
        case .void: return ("void", "")
        case .int, .float, .typedef, .variable, .function, .dataSection, .declarationTag:
            return (name, "")
        case .structure: return ("struct " + (name.isEmpty ? "{…}" : name), "")
        case .union: return ("union " + (name.isEmpty ? "{…}" : name), "")
        case .forward: return ((record.kindFlag ? "union " : "struct ") + name, "")
        case .enumeration, .enumeration64: return ("enum " + (name.isEmpty ? "{…}" : name), "")
        case .const: return qualified("const")
        case .volatile: return qualified("volatile")
        case .restrict: return inner()
        case .typeTag: return inner()
        case .pointer:
            let (left, right) = inner()
            let star = left.hasSuffix("*") || left.hasSuffix("(") ? "*" : " *"
            if right.isEmpty || right.hasPrefix(")") { return (left + star, right) }
            return (left + " (*", ")" + right)
        case .array:
            let (left, right) = declaration(of: record[0], depth: depth + 1, isValue: isValue)
            return (left, "[" + (record[2] == 0 ? "" : String(record[2])) + "]" + right)
        case .functionPrototype:
            let (left, right) = inner()
            return (left, "(…)" + right)
        }
    }
}
