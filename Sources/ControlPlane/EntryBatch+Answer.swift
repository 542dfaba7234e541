internal import JSON
internal import Problems

// What became of each operation.
extension EntryBatch {
    mutating func succeed(_ operation: Operation, _ key: EntryKey, _ status: Int) {
        done[operation.kind.rawValue] += 1
        if options.listsOnlyFailures { return }
        text.raw("{\"key\":")
        if let shown = key.shown {
            text.value(shown)
        } else {
            bytes.writeKey(key.bytes.span, to: &text)
        }
        text.raw(",\"status\":")
        text.integer(Int64(status))
        text.byte(UInt8(ascii: "}"))
        append(operation.kind, operation.index)
    }

    mutating func fail(_ kind: Kind, _ index: Int, _ problem: Problem) {
        failed[kind.rawValue] += 1
        let isLine = options.givesLines
        text.object {
            if !isLine { $0.member("index", index) }
            $0.member("status", problem.type.status)
            $0.member("code", problem.type.code)
            $0.member("detail", problem.detail)
            if let errno = problem.errno { $0.member("errno", errno) }
            if let pointer = problem.pointer { $0.member("pointer", pointer) }
        }
        append(kind, index)
    }

    mutating func append(_ kind: Kind, _ index: Int) {
        if options.givesLines { return appendLine(kind, index) }
        if !lists[kind.rawValue].isEmpty { lists[kind.rawValue].append(UInt8(ascii: ",")) }
        lists[kind.rawValue] += text.bytes()
        text.removeAll()
    }

    private mutating func appendLine(_ kind: Kind, _ index: Int) {
        lines.raw("{\"op\":")
        lines.string(kind.name)
        lines.raw(",\"index\":")
        lines.integer(Int64(index))
        lines.byte(UInt8(ascii: ","))
        // Behind the opening brace.
        let result = text.bytes()
        lines.raw(result.span.extracting(1..<result.count))
        lines.byte(0x0A)
        text.removeAll()
    }

    /// The last line: how many of each kind were done.
    mutating func appendEnd(of operations: Int) {
        lines.object {
            $0.member("kind", "end")
            $0.member("operations", operations)
            Self.writeCounts(done, failed, &$0)
            if options.isDryRun { $0.member("dry_run", true) }
            $0.member("atomic", false)
        }
        lines.byte(0x0A)
    }

    private static func writeCounts(_ done: [Int], _ failed: [Int], _ json: inout JSONWriter) {
        json.object("counts") {
            for kind in Kind.allCases {
                $0.object(kind.name) {
                    $0.member("done", done[kind.rawValue])
                    $0.member("failed", failed[kind.rawValue])
                }
            }
        }
    }

    mutating func answer() -> [UInt8] {
        var answer: [UInt8] = []
        for kind in Kind.allCases {
            answer += Array("\(answer.isEmpty ? "{" : ",")\"\(kind.name)\":[".utf8)
            answer += lists[kind.rawValue]
            lists[kind.rawValue] = []
            answer.append(UInt8(ascii: "]"))
        }
        var end = JSONWriter(capacity: 256)
        end.object {
            Self.writeCounts(done, failed, &$0)
            if options.isDryRun { $0.member("dry_run", true) }
            $0.member("atomic", false)
        }
        // The rest of the object that the lists began.
        return answer + Array(",".utf8) + end.bytes().dropFirst() + Array("\n".utf8)
    }
}
