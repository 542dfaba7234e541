internal import JSON
internal import Problems

/// Reads the members of a request's object, and refuses those that nobody reads.
struct Fields {
    let object: JSONObject
    let pointer: JSONPointer

    /// - Throws: `unknown_member` for a member that is not in `known`.
    init(_ object: JSONObject, at pointer: JSONPointer = .root, known: [String]) throws(Problem) {
        self.object = object
        self.pointer = pointer
        for member in object.members where !known.contains(member.name) {
            throw Problem(
                .unknownMember,
                "\"\(member.name)\" is not a member here: " + known.joined(separator: ", ") + ".",
                pointer: pointer.appending(member.name).description)
        }
    }

    func string(_ name: String) throws(Problem) -> String? {
        try typed(name, "a string") { $0.string }
    }

    func requiredString(_ name: String) throws(Problem) -> String {
        guard let text = try string(name) else { throw missing(name) }
        return text
    }

    func bool(_ name: String) throws(Problem) -> Bool? {
        try typed(name, "true or false") { $0.bool }
    }

    func object(_ name: String) throws(Problem) -> JSONObject? {
        try typed(name, "an object") { $0.object }
    }

    func strings(_ name: String) throws(Problem) -> [String]? {
        try typed(name, "an array of strings") { value in
            guard let array = value.array else { return nil }
            let strings = array.compactMap(\.string)
            return strings.count == array.count ? strings : nil
        }
    }

    func choice<C: RawRepresentable & CaseIterable>(_ name: String, of type: C.Type)
        throws(Problem) -> C? where C.RawValue == String
    {
        let known = C.allCases.map(\.rawValue).joined(separator: ", ")
        return try typed(name, "one of " + known) { $0.string.flatMap(C.init(rawValue:)) }
    }

    /// `{"name": "value", …}`.
    func labels(_ name: String) throws(Problem) -> [String: String]? {
        guard let object = try object(name) else { return nil }
        return try Self.labels(object, at: pointer.appending(name)).compactMapValues { $0 }
    }

    /// Labels to set, and with null to remove (RFC 7396).
    static func labels(_ object: JSONObject, at pointer: JSONPointer) throws(Problem)
        -> [String: String?]
    {
        var labels: [String: String?] = [:]
        for member in object.members {
            let place = pointer.appending(member.name).description
            switch member.value {
            case .string(let text): labels.updateValue(text, forKey: member.name)
            case .null: labels.updateValue(nil, forKey: member.name)
            default:
                throw Problem(
                    .invalidMember, "A label's value is a string, not a \(member.value.typeName).",
                    pointer: place)
            }
        }
        try checkLabels(labels, at: pointer.description)
        return labels
    }

    /// Bounds on labels: 64 of them, names as in Kubernetes, values of at most 255 bytes.
    static func checkLabels(_ labels: [String: String?], at pointer: String?) throws(Problem) {
        guard labels.count <= 64 else {
            throw Problem(
                .invalidMember, "There are \(labels.count) labels, 64 are allowed.",
                pointer: pointer)
        }
        for (name, value) in labels {
            let bytes = Array(name.utf8)
            let isFine =
                (1...63).contains(bytes.count) && bytes[0].isAlphanumeric
                && bytes.allSatisfy { $0.isAlphanumeric || "_./-".utf8.contains($0) }
            guard isFine, (value ?? "").utf8.count <= 255 else {
                throw Problem(
                    .invalidMember,
                    "The label \"\(name)\" is not allowed: a name of 1 to 63 of A-Z a-z 0-9 _ . / "
                        + "-, a "
                        + "value of at most 255 bytes.", pointer: pointer)
            }
        }
    }

    private func typed<T>(_ name: String, _ wanted: String, _ read: (JSONValue) -> T?)
        throws(Problem) -> T?
    {
        guard let value = object[name] else { return nil }
        guard let read = read(value) else {
            throw Problem(
                .invalidMember, "\(name) must be \(wanted).",
                pointer: pointer.appending(name).description)
        }
        return read
    }

    func missing(_ name: String) -> Problem {
        Problem(
            .invalidMember, "The member \"\(name)\" is missing.",
            pointer: pointer.appending(name).description)
    }
}

extension UInt8 {
    var isAlphanumeric: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
}
