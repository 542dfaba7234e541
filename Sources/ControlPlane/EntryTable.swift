internal import BPF
internal import BTF
internal import JSON

/// Entries as rows of CSV (RFC 4180), for spreadsheets: a column for each member, `value.bytes`.
struct EntryTable: Sendable {
    private let bytes: MapBytes
    /// Names, and where each stands in an entry's document.
    private var columns: [(name: String, path: [String])] = []

    /// The columns are those of an entry of zeros; what an entry has beyond them (elements of a
    /// flexible array) is left out.
    init(_ bytes: MapBytes) {
        self.bytes = bytes
        let key = [UInt8](repeating: 0, count: bytes.map.map.info.keySize)
        let value = [UInt8](repeating: 0, count: bytes.map.map.lookupBytes)
        collect(document(key.span, value.span), [])
    }

    private func document(_ key: Span<UInt8>, _ value: Span<UInt8>) -> JSONValue {
        var json = JSONWriter(capacity: 512)
        bytes.write(key: key, value: value, to: &json)
        return json.withBytes { text in
            // What the writer wrote is JSON.
            do { return try JSONValue.parse(text) } catch { return .null }
        }
    }

    private mutating func collect(_ value: JSONValue, _ path: [String]) {
        switch value {
        case .object(let object) where !object.isEmpty:
            for member in object { collect(member.value, path + [member.name]) }
        case .array(let elements) where !elements.isEmpty && elements.count <= 256:
            for (index, element) in elements.enumerated() {
                collect(element, path + [String(index)])
            }
        default: columns.append((path.joined(separator: "."), path))
        }
    }

    func writeHead(to text: inout JSONWriter) { row(columns.map(\.name), &text) }

    func write(key: Span<UInt8>, value: Span<UInt8>, to text: inout JSONWriter) {
        let document = document(key, value)
        row(columns.map { Self.cell(Self.find($0.path, document)) }, &text)
    }

    private static func find(_ path: [String], _ document: JSONValue) -> JSONValue {
        var value = document
        for name in path {
            switch value {
            case .object(let object): value = object[name] ?? .null
            case .array(let elements):
                guard let index = Int(name), index < elements.count else { return .null }
                value = elements[index]
            default: return .null
            }
        }
        return value
    }

    private static func cell(_ value: JSONValue) -> String {
        switch value {
        case .null: ""
        case .string(let text): text
        case .number(let number): number.text
        default: String(decoding: value.serialized(), as: UTF8.self)
        }
    }

    private func row(_ cells: [String], _ text: inout JSONWriter) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { text.byte(UInt8(ascii: ",")) }
            let needsQuotes = cell.utf8.contains { $0 == 0x22 || $0 == 0x2C || $0 < 0x20 }
            if needsQuotes { text.byte(0x22) }
            for byte in cell.utf8 {
                if byte == 0x22 { text.byte(0x22) }
                text.byte(byte)
            }
            if needsQuotes { text.byte(0x22) }
        }
        text.byte(0x0D)
        text.byte(0x0A)
    }
}
