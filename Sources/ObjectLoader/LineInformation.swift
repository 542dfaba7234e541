internal import Loading

/// The section `.BTF.ext` of an object: which line of C each instruction came from.
///
/// Kernels before 6.9 write the line's text alone into the verifier's log, and libbpf writes over
/// the line of a relocation that it could not resolve. Layout: linux, Documentation/bpf/btf.rst.
struct LineInformation {
    private let bytes: [UInt8]
    private let types: LibbpfTypes

    /// - Parameter bytes: of a stranger; every offset is checked.
    init(_ bytes: [UInt8], _ types: LibbpfTypes) {
        self.bytes = bytes
        self.types = types
    }

    /// The line of an instruction of `function` itself, not of a subprogram that it calls.
    func line(of function: String, instruction: Int) -> LoadFailure.SourceLine? {
        guard let (section, start) = place(of: function) else { return nil }
        var found: (offset: UInt32, record: Int)?
        let wanted = UInt64(start) + UInt64(clamping: instruction) * 8
        for (name, record) in records(headerAt: 16) where name == section {
            guard let offset = word(record), offset >= start, UInt64(offset) <= wanted else {
                continue
            }
            if found.map({ offset >= $0.offset }) ?? true { found = (offset, record) }
        }
        return found.flatMap { line(at: $0.record) }
    }

    /// The first line whose text is the one that the verifier gave.
    func line(reading text: String) -> LoadFailure.SourceLine? {
        for (_, record) in records(headerAt: 16) {
            if let line = line(at: record), line.text == text { return line }
        }
        return nil
    }

    private func line(at record: Int) -> LoadFailure.SourceLine? {
        guard let file = word(record + 4), let text = word(record + 8),
            let place = word(record + 12), let name = types.text(at: file),
            let source = types.text(at: text)
        else { return nil }
        return LoadFailure.SourceLine(
            text: Self.trimmed(source), file: name.split(separator: "/").last.map(String.init),
            line: Int(place >> 10))
    }

    /// Section and offset in bytes at which a function begins.
    private func place(of function: String) -> (section: UInt32, start: UInt32)? {
        for (section, record) in records(headerAt: 8) {
            guard let start = word(record), let type = word(record + 4),
                types.name(ofType: type) == function
            else { continue }
            return (section, start)
        }
        return nil
    }

    /// Each record of one of the tables: the name of its section, and where it begins.
    private func records(headerAt place: Int) -> [(section: UInt32, record: Int)] {
        guard let header = word(4), let offset = word(place), let length = word(place + 4),
            let size = word(Int(header) + Int(offset)), size >= 8
        else { return [] }
        let start = Int(header) + Int(offset)
        let end = min(bytes.count, start + Int(length))
        var records: [(UInt32, Int)] = []
        var at = start + 4
        while at + 8 <= end, let section = word(at), let count = word(at + 4) {
            at += 8
            for _ in 0..<count {
                guard at + Int(size) <= end else { return records }
                records.append((section, at))
                at += Int(size)
            }
        }
        return records
    }

    private func word(_ place: Int) -> UInt32? {
        guard place >= 0, place + 4 <= bytes.count else { return nil }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
    }

    private static func trimmed(_ text: String) -> String {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return String(text)
    }
}
