import Linux
import Loading
import Testing

/// What the daemon makes of a child that does not do what a loader does. The children are shell
/// commands.
@Suite struct LoaderChildTests {
    private let directory: String

    init() throws {
        directory = "/tmp/loader-child-\(UInt64.random(in: 0...(.max)))"
        try FileSystem.makeDirectory(directory)
    }

    /// Runs `script` as the loader, with files in the pin directory as a load leaves them.
    private func failure(of script: String, _ change: (inout Loader) -> Void = { _ in }) throws
        -> LoadFailure
    {
        defer {
            // Left behind, it would only be litter under /tmp.
            try? FileSystem.removeTree(directory)
        }
        let path = directory + "/loader"
        let text = Array(("#!/bin/sh\n" + script).utf8)
        try FileSystem.replace(path, with: text.span, mode: 0o700)
        let pins = directory + "/pins"
        try FileSystem.makeDirectory(pins)
        let nothing: [UInt8] = []
        for name in ["p0", "m12", "p", "px", "keep", "m1.2"] {
            try FileSystem.replace("\(pins)/\(name)", with: nothing.span)
        }
        var loader = Loader(executable: path)
        change(&loader)
        var request = LoadRequest()
        request.pinDirectory = pins
        let bytes = Array("bytes".utf8)
        let object = try MemoryFile("object", holding: bytes.span)
        let failure = try #require(throws: LoadFailure.self) { try loader.load(object, request) }
        #expect(try FileSystem.list(pins) == ["keep", "m1.2", "p", "px"])
        return failure
    }

    @Test func `a loader that is not there did not start`() throws {
        let failure = try failure(of: "") { $0 = Loader(executable: "/nonexistent/apiary-loader") }
        #expect(failure.stage == .crash)
        #expect(failure.errno == .enoent)
        #expect(failure.message.contains("/nonexistent/apiary-loader"))
    }

    @Test func `an end by a signal is a crash with the signal's name`() throws {
        let failure = try failure(of: "echo last words >&2; kill -SEGV $$")
        #expect(failure.stage == .crash)
        #expect(failure.message == "the loader ended by SIGSEGV on this object")
        #expect(failure.libbpfLog == "last words\n")
    }

    @Test func `an end by too much CPU time is a deadline`() throws {
        let failure = try failure(of: "kill -XCPU $$")
        #expect(failure.stage == .deadline)
    }

    @Test func `a child past its deadline is killed`() throws {
        let failure = try failure(of: "exec sleep 1000") {
            $0.limits.deadlineMilliseconds = 50
        }
        #expect(failure.stage == .deadline)
        #expect(failure.message.contains("50 ms"))
    }

    @Test func `an exit status is a crash`() throws {
        let failure = try failure(of: "exit 3")
        #expect(failure.stage == .crash)
        #expect(failure.message.contains("exited with 3"))
    }

    @Test(arguments: ["", "hello", "{}", #"{"offsets":[1]}"#, #"{"report":{}}"#, "[]"])
    func `an answer that is no report is a crash`(text: String) throws {
        let failure = try failure(of: "printf '%s' '\(text)'")
        #expect(failure.stage == .crash)
    }

    @Test func `an answer over the limit is refused with the limit`() throws {
        let failure = try failure(of: "head -c 5000 /dev/zero") { $0.limits.reportBytes = 4096 }
        #expect(failure.stage == .request)
        #expect(failure.message.contains("4096"))
    }

    @Test func `the child sees the object as 3 and the task as 4, and cannot change the object`()
        throws
    {
        let failure = try failure(
            of: "cat /proc/self/fd/3 >&2; echo x 2>/dev/null >/proc/self/fd/3 || echo sealed >&2; "
                + "grep -q pin_directory /proc/self/fd/4 && echo task >&2; exit 1")
        #expect(failure.libbpfLog == "bytessealed\ntask\n")
    }
}
