import Synchronization
import Testing

@testable import apiary

/// What the daemon's log lets through; clients cause most of its lines.
struct LogTests {
    private final class Kept: Sendable {
        let lines = Mutex<[String]>([])
        let now = Mutex<UInt64>(1)

        var texts: [String] { lines.withLock { $0 } }

        func output(_ format: LogFormat = .logfmt) -> LogOutput {
            LogOutput(format, now: { self.now.withLock { $0 } }) { line in
                self.lines.withLock { $0.append(String(decoding: line.bytes, as: UTF8.self)) }
            }
        }
    }

    @Test func `of a level so many lines are written in ten seconds, then it is said how many`() {
        let kept = Kept()
        let output = kept.output()
        for number in 0..<(LogOutput.limit + 500) { output.write(.info, "line \(number)", [:]) }
        #expect(kept.texts.count == LogOutput.limit)
        // A flood of one level hides nothing of another.
        output.write(.error, "grave", [:])
        #expect(kept.texts.last?.contains("msg=grave") == true)
        kept.now.withLock { $0 += 10_000_000_001 }
        output.write(.info, "later", [:])
        #expect(kept.texts.last?.contains("lines_left_out=500") == true)
        output.write(.info, "last", [:])
        #expect(kept.texts.last?.contains("lines_left_out") == false)
    }

    @Test func `a token in the wrong place is cut`() {
        let kept = Kept()
        kept.output().write(
            .debug, "request", ["path": "/v1/apy_tVdaZENFnc-2sOnUBHcP8zn3p/x?ticket=apt_0123456789"]
        )
        #expect(kept.texts[0].contains("path=\"/v1/apy_…/x?ticket=apt_…\""), "\(kept.texts)")
    }

    @Test(arguments: [LogFormat.logfmt, .json])
    func `what a client sends makes no second line and no second field`(format: LogFormat) {
        let kept = Kept()
        kept.output(format).write(
            .info, "request", ["path": "/a\nlevel=error msg=\"x\" \u{1b}[2J\u{7f}\u{2028}"])
        let line = kept.texts[0]
        #expect(line.utf8.count { $0 == 0x0a } == 1)
        #expect(line.utf8.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "\(line)")
        #expect(!line.contains(" level=error ") || line.contains("path=\""), "\(line)")
    }
}
