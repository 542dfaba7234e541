import Testing

struct SizeTests {
    @Test func `no file is longer than 600 lines`() {
        var offenders: [String] = []
        for file in SourceFile.all
        where file.lines.count - 1 > 600 {
            offenders.append("\(file.path): \(file.lines.count - 1)")
        }
        expectNone(offenders)
    }

    @Test func `no line of the sources is wider than 100 columns`() {
        var offenders: [String] = []
        for file in SourceFile.sources + SourceFile.others where file.path.hasPrefix("Sources") {
            for (index, line) in file.lines.enumerated()
            where line.utf8.count > 100 && line.count > 100 {
                offenders.append("\(file.path):\(index + 1): \(line.count)")
            }
        }
        expectNone(offenders)
    }

    /// The formatter puts a function's closing brace under its first line's indentation.
    @Test func `no function is longer than 70 lines`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            let starts = file.places(of: Self.function).map { $0.line - 1 }
            for start in starts {
                let line = file.lines[start]
                let indentation = line.prefix { $0 == " " }
                let end = file.lines[start...].firstIndex { $0 == indentation + "}" }
                // A requirement of a protocol, and a body on one line, have no such brace of theirs.
                guard let end, !line.hasSuffix("}") else { continue }
                let next = starts.first { $0 > start }
                if let next, next < end,
                    file.lines[next].prefix(while: { $0 == " " }) == indentation
                {
                    continue
                }
                if end - start >= 70 {
                    offenders.append("\(file.path):\(start + 1): \(end - start + 1)")
                }
            }
        }
        expectNone(offenders)
    }

    private static let function = #"^ *([a-z@()]+ )*(func |init[(<?]|deinit)"#
}
