import Linux
import Testing

@Suite struct ChildTests {
    private func shell(
        _ script: String, descriptors: [Int32] = [], deadlineMilliseconds: Int = 20_000,
        outputLimit: Int = 1 << 20
    ) throws -> Child.Exit {
        try Child.run(
            "/bin/sh", arguments: ["-c", script], environment: ["PATH=/usr/bin:/bin"],
            descriptors: descriptors, deadlineMilliseconds: deadlineMilliseconds,
            outputLimit: outputLimit)
    }

    @Test func `output, errors and status come back`() throws {
        let exit = try shell("echo out; echo err >&2; exit 3")
        #expect(exit.reason == .exited(3))
        #expect(exit.output == Array("out\n".utf8))
        #expect(exit.errors == Array("err\n".utf8))
        #expect(!exit.outputWasCut)
    }

    @Test func `a signal is told apart from a status`() throws {
        #expect(try shell("kill -SEGV $$").reason == .signalled(11))
    }

    @Test func `a child that never ends is killed at its deadline`() throws {
        let begin = Clock.monotonicNanoseconds()
        #expect(try shell("exec sleep 100", deadlineMilliseconds: 200).reason == .deadline)
        #expect(Clock.monotonicNanoseconds() - begin < 20_000_000_000)
    }

    @Test func `a child that closed its output still has a deadline`() throws {
        let exit = try shell("exec sleep 100 >&- 2>&-", deadlineMilliseconds: 200)
        #expect(exit.reason == .deadline)
    }

    @Test func `output beyond the limit is cut, and said to be`() throws {
        let exit = try shell("head -c 1000000 /dev/zero", outputLimit: 1000)
        #expect(exit.reason == .exited(0))
        #expect(exit.output.count == 1000)
        #expect(exit.outputWasCut)
    }

    @Test func `it has the given descriptors from 3 on and none of ours`() throws {
        let file = try MemoryFile("given", holding: Array("text".utf8).span)
        let path = "/proc/self/fd/\(file.descriptor.raw)"
        let reader = try FileDescriptor.open(path)
        // The test's own starter may have left descriptors open: only this file's count.
        let exit = try shell(
            "cat <&3; ls -l /proc/$$/fd | grep -c memfd:given", descriptors: [reader.raw])
        #expect(String(decoding: exit.output, as: UTF8.self) == "text1\n")
        withExtendedLifetime(file) {}
    }

    @Test func `the environment is what was given`() throws {
        let exit = try Child.run(
            "/usr/bin/env", arguments: [], environment: ["A=1"], deadlineMilliseconds: 20_000,
            outputLimit: 1000)
        #expect(exit.output == Array("A=1\n".utf8))
    }

    @Test func `no such executable is ENOENT`() {
        let error = #expect(throws: Errno.self) {
            _ = try Child.run(
                "/nonsense", arguments: [], deadlineMilliseconds: 1000, outputLimit: 10)
        }
        #expect(error == .enoent)
    }
}
