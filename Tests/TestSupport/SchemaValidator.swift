internal import Foundation
public import JSON
internal import Synchronization

/// One place where a document is not as its schema says.
public struct Violation: Sendable, Hashable, CustomStringConvertible {
    public let pointer: JSONPointer
    public let reason: String

    init(_ pointer: JSONPointer, _ reason: String) {
        self.pointer = pointer
        self.reason = reason
    }

    public var description: String {
        "\(pointer.description.isEmpty ? "the document" : pointer.description): \(reason)"
    }
}

/// Validates documents against the part of JSON Schema 2020-12 that the contract uses.
///
/// A keyword that it does not know is a violation, never silently passed over.
public final class SchemaValidator: Sendable {
    private let root: JSONValue
    private let expressions = Mutex<[String: NSRegularExpression]>([:])

    private static let annotations: Set<String> = [
        "description", "title", "default", "example", "examples", "format", "contentEncoding",
        "deprecated", "readOnly", "writeOnly", "$comment",
    ]

    /// - Parameter root: the document that `$ref: '#/…'` points into.
    public init(root: JSONValue) {
        self.root = root
    }

    /// Everything that is wrong with `value`; empty where it is valid.
    public func violations(
        of value: JSONValue, against schema: JSONValue, at pointer: JSONPointer = .root
    ) -> [Violation] {
        switch schema {
        case .bool(true): return []
        case .bool(false): return [Violation(pointer, "nothing is allowed here")]
        case .object(let keywords):
            return keywords.members.flatMap {
                check($0.name, $0.value, of: keywords, value, pointer)
            }
        default: return [Violation(pointer, "the schema is a \(schema.typeName)")]
        }
    }

    private func check(
        _ keyword: String, _ argument: JSONValue, of schema: JSONObject, _ value: JSONValue,
        _ pointer: JSONPointer
    ) -> [Violation] {
        switch keyword {
        case "$ref":
            guard let target = argument.string.flatMap(resolve) else {
                return [Violation(pointer, "\(argument) points to nothing")]
            }
            return violations(of: value, against: target, at: pointer)
        case "type": return type(argument, value, pointer)
        case "const":
            return value == argument ? [] : [Violation(pointer, "is not \(argument.compact)")]
        case "enum":
            let isListed = argument.array?.contains(value) ?? false
            return isListed ? [] : [Violation(pointer, "is none of \(argument.compact)")]
        case "allOf":
            return (argument.array ?? []).flatMap {
                violations(of: value, against: $0, at: pointer)
            }
        case "anyOf", "oneOf": return alternatives(keyword, argument, value, pointer)
        case "properties", "required", "additionalProperties", "propertyNames", "minProperties",
            "maxProperties":
            guard let object = value.object else { return [] }
            return members(keyword, argument, of: schema, object, pointer)
        case "items", "prefixItems", "minItems", "maxItems":
            guard let array = value.array else { return [] }
            return elements(keyword, argument, of: schema, array, pointer)
        case "minLength", "maxLength", "pattern":
            guard let text = value.string else { return [] }
            return self.text(keyword, argument, text, pointer)
        case "minimum", "maximum":
            guard let number = value.number, let limit = argument.number else { return [] }
            return bound(keyword, limit, number, pointer)
        case _ where Self.annotations.contains(keyword) || keyword.hasPrefix("x-"): return []
        default: return [Violation(pointer, "the validator has no keyword \(keyword)")]
        }
    }

    private func type(_ argument: JSONValue, _ value: JSONValue, _ pointer: JSONPointer)
        -> [Violation]
    {
        let allowed = argument.array?.compactMap(\.string) ?? [argument.string ?? ""]
        let isAllowed = allowed.contains { name in
            switch name {
            case "integer": value.number?.int128 != nil
            case "number", "object", "array", "string", "boolean", "null": value.typeName == name
            default: false
            }
        }
        if isAllowed { return [] }
        let wanted = allowed.joined(separator: " or ")
        return [Violation(pointer, "is \(value.typeName), not \(wanted): \(value.compact)")]
    }

    private func alternatives(
        _ keyword: String, _ argument: JSONValue, _ value: JSONValue, _ pointer: JSONPointer
    ) -> [Violation] {
        let results = (argument.array ?? []).map {
            violations(of: value, against: $0, at: pointer)
        }
        let matches = results.count { $0.isEmpty }
        if matches == 1 || (keyword == "anyOf" && matches > 1) { return [] }
        if matches > 1 { return [Violation(pointer, "fits \(matches) of oneOf's schemas")] }
        // The alternative that is the least wrong says what was meant.
        return results.min { $0.count < $1.count }
            ?? [Violation(pointer, "\(keyword) has no alternatives")]
    }

    private func members(
        _ keyword: String, _ argument: JSONValue, of schema: JSONObject, _ object: JSONObject,
        _ pointer: JSONPointer
    ) -> [Violation] {
        switch keyword {
        case "properties":
            return (argument.object ?? JSONObject()).members.flatMap { property in
                object[property.name].map {
                    violations(
                        of: $0, against: property.value, at: pointer.appending(property.name))
                } ?? []
            }
        case "required":
            return (argument.array ?? []).compactMap(\.string).filter { object[$0] == nil }
                .map { Violation(pointer, "lacks \($0)") }
        case "additionalProperties":
            let declared = schema["properties"]?.object
            return object.members.filter { declared?[$0.name] == nil }.flatMap { member in
                if argument == .bool(false) {
                    return [Violation(pointer, "has the undeclared member \(member.name)")]
                }
                return violations(
                    of: member.value, against: argument, at: pointer.appending(member.name))
            }
        case "propertyNames":
            return object.members.flatMap {
                violations(of: .string($0.name), against: argument, at: pointer.appending($0.name))
            }
        case "minProperties":
            let isEnough = object.count >= argument.int ?? 0
            return isEnough ? [] : [Violation(pointer, "has only \(object.count) members")]
        default:
            let isTooMany = object.count > argument.int ?? .max
            return isTooMany ? [Violation(pointer, "has \(object.count) members")] : []
        }
    }

    private func elements(
        _ keyword: String, _ argument: JSONValue, of schema: JSONObject, _ array: [JSONValue],
        _ pointer: JSONPointer
    ) -> [Violation] {
        switch keyword {
        case "items":
            let skipped = schema["prefixItems"]?.array?.count ?? 0
            return array.enumerated().dropFirst(skipped).flatMap {
                violations(of: $0.element, against: argument, at: pointer.appending($0.offset))
            }
        case "prefixItems":
            return zip(array, argument.array ?? []).enumerated().flatMap {
                violations(
                    of: $0.element.0, against: $0.element.1, at: pointer.appending($0.offset))
            }
        case "minItems":
            let isEnough = array.count >= argument.int ?? 0
            return isEnough ? [] : [Violation(pointer, "has only \(array.count) elements")]
        default:
            let isTooMany = array.count > argument.int ?? .max
            return isTooMany ? [Violation(pointer, "has \(array.count) elements")] : []
        }
    }

    private func text(
        _ keyword: String, _ argument: JSONValue, _ text: String, _ pointer: JSONPointer
    ) -> [Violation] {
        let length = text.unicodeScalars.count
        switch keyword {
        case "minLength":
            let isEnough = length >= argument.int ?? 0
            return isEnough ? [] : [Violation(pointer, "has only \(length) characters")]
        case "maxLength":
            let isTooLong = length > argument.int ?? .max
            return isTooLong ? [Violation(pointer, "has \(length) characters")] : []
        default:
            guard let expression = argument.string.flatMap(expression) else {
                return [Violation(pointer, "the pattern \(argument.compact) cannot be compiled")]
            }
            let whole = NSRange(text.startIndex..., in: text)
            if expression.firstMatch(in: text, range: whole) != nil { return [] }
            return [Violation(pointer, "\"\(text)\" does not match \(argument.compact)")]
        }
    }

    private func bound(
        _ keyword: String, _ limit: JSONNumber, _ number: JSONNumber, _ pointer: JSONPointer
    ) -> [Violation] {
        let isBelow: Bool
        let isAbove: Bool
        if let number = number.int128, let limit = limit.int128 {
            (isBelow, isAbove) = (number < limit, number > limit)
        } else if let number = number.double, let limit = limit.double {
            (isBelow, isAbove) = (number < limit, number > limit)
        } else {
            return [Violation(pointer, "\(number.text) cannot be compared with \(limit.text)")]
        }
        let isOutside = keyword == "minimum" ? isBelow : isAbove
        return isOutside ? [Violation(pointer, "\(number.text): \(keyword) is \(limit.text)")] : []
    }

    private func expression(_ pattern: String) -> NSRegularExpression? {
        expressions.withLock { known in
            if let expression = known[pattern] { return expression }
            guard let expression = try? NSRegularExpression(pattern: pattern) else {
                return nil  // The caller reports the pattern.
            }
            known[pattern] = expression
            return expression
        }
    }

    /// What `#/components/schemas/Name` points to.
    public func resolve(_ reference: String) -> JSONValue? {
        guard reference.hasPrefix("#/") else { return nil }
        return root.at(String(reference.dropFirst()))
    }
}

extension JSONValue {
    /// The value as compact JSON text.
    public var compact: String { String(decoding: serialized(), as: UTF8.self) }

    /// The value that an RFC 6901 pointer names: `/items/0/name`.
    public func at(_ pointer: String) -> JSONValue? {
        var value = self
        for part in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = part.replacing("~1", with: "/").replacing("~0", with: "~")
            let next: JSONValue?
            if let array = value.array {
                next = Int(name).flatMap { array.indices.contains($0) ? array[$0] : nil }
            } else {
                next = value[String(name)]
            }
            guard let next else { return nil }
            value = next
        }
        return value
    }

    /// Where `self` does not have what `part` has. Members that `part` leaves out do not matter;
    /// arrays have the same number of elements.
    public func lacks(_ part: JSONValue, at pointer: JSONPointer = .root) -> [Violation] {
        switch (self, part) {
        case (.object(let object), .object(let wanted)):
            wanted.members.flatMap { member in
                let place = pointer.appending(member.name)
                return object[member.name]?.lacks(member.value, at: place)
                    ?? [Violation(place, "is missing")]
            }
        case (.array(let array), .array(let wanted)) where array.count == wanted.count:
            zip(array, wanted).enumerated().flatMap {
                $0.element.0.lacks($0.element.1, at: pointer.appending($0.offset))
            }
        default:
            self == part ? [] : [Violation(pointer, "is \(compact), not \(part.compact)")]
        }
    }
}
