internal import JSON

extension LoadReport {
    /// The value of a struct_ops map as libbpf makes it of the object's: laid out as the kernel's
    /// structure is, with functions by their names.
    public struct Structure: Sendable, Hashable {
        /// The whole value; zeros where the functions' descriptors come.
        public var bytes: [UInt8]
        /// By the offset in `bytes`.
        public var functions: [Int: String]

        public init(bytes: [UInt8], functions: [Int: String]) {
            self.bytes = bytes
            self.functions = functions
        }
    }
}

extension LoadReport.Structure {
    /// Most of such a value is zeros: only the other words stand in it, `{"size":192,
    /// "words":{"64":1},"functions":{"72":"init"}}`.
    var json: JSONValue {
        var words = JSONObject()
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            let word = bytes[offset..<min(offset + 8, bytes.count)].reversed()
                .reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            if word != 0 { words[String(offset)] = JSONValue(word) }
        }
        var names = JSONObject()
        for (offset, name) in functions.sorted(by: { $0.key < $1.key }) {
            names[String(offset)] = .string(name)
        }
        return [
            "size": JSONValue(bytes.count), "words": .object(words), "functions": .object(names),
        ]
    }

    /// What the kernel's largest structure is far below.
    private static let mostBytes = 1 << 16

    init?(json: JSONValue) {
        guard let size = json["size"]?.int, (0...Self.mostBytes).contains(size),
            let words = json["words"]?.object, let names = json["functions"]?.object
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        for member in words {
            guard let offset = Int(member.name), let word = member.value.uint64,
                bytes.indices.contains(offset)
            else { return nil }
            for index in 0..<min(8, size - offset) {
                bytes[offset + index] = UInt8(truncatingIfNeeded: word >> (8 * UInt64(index)))
            }
        }
        var functions: [Int: String] = [:]
        for member in names {
            guard let offset = Int(member.name), offset >= 0, offset + 8 <= size,
                let name = member.value.string
            else { return nil }
            functions[offset] = name
        }
        self.init(bytes: bytes, functions: functions)
    }
}
