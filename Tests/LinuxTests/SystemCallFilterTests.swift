import Testing

@testable import Linux

/// The loader's filter, tried by a process that puts it on and then does what it must not.
@Suite(
    .enabled("needs python3") {
        if FileSystem.exists("/usr/bin/python3") { return true }
        print("skipped: /usr/bin/python3 is not there")
        return false
    }
) struct SystemCallFilterTests {
    /// Puts the filter on, which it reads from its argument in hex, and then tries one thing.
    private static let script = """
        import ctypes, os, signal, socket, sys
        libc = ctypes.CDLL(None, use_errno=True)
        code = bytes.fromhex(sys.argv[1])
        room = ctypes.create_string_buffer(code, len(code))

        class Program(ctypes.Structure):
            _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]

        def result(value):
            os.write(1, b"done" if value >= 0 else os.strerror(ctypes.get_errno()).encode())
            os._exit(0)

        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        program = Program(len(code) // 8, ctypes.addressof(room))
        assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0  # PR_SET_SECCOMP
        exec(sys.argv[2])
        """

    private func attempt(_ what: String) throws -> Child.Exit {
        var code: [UInt8] = []
        for step in SystemCallFilter.makeProgram() {
            for byte in [
                UInt8(truncatingIfNeeded: step.code), UInt8(truncatingIfNeeded: step.code >> 8),
                step.jt, step.jf,
            ] { code.append(byte) }
            for shift in [0, 8, 16, 24] as [UInt32] {
                code.append(UInt8(truncatingIfNeeded: step.k >> shift))
            }
        }
        let hex = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return try Child.run(
            "/usr/bin/python3", arguments: ["-c", Self.script, hex, what],
            deadlineMilliseconds: 60_000, outputLimit: 4096)
    }

    @Test(arguments: [
        "result(libc.open(b'/proc/self/status', 0))", "result(libc.getpid())",
        "result(libc.memfd_create(b'x', 0))",
    ])
    func `what a load takes is let through`(what: String) throws {
        let exit = try attempt(what)
        #expect(exit.reason == .exited(0))
        #expect(String(decoding: exit.output, as: UTF8.self) == "done")
    }

    @Test(arguments: [
        "result(libc.open(b'/tmp/apiary-filter', 0o1102, 0o600))",
        "result(libc.unlink(b'/tmp/apiary-filter'))",
        "result(libc.mkdir(b'/tmp/apiary-filter', 0o700))",
        "result(libc.chmod(b'/tmp', 0o777))",
        "result(libc.shmget(0, 4096, 0o1000))",
        "result(libc.sethostname(b'x', 1))",
        // bpf(2): BPF_PROG_ATTACH, BPF_PROG_TEST_RUN, BPF_LINK_DETACH.
        "result(libc.syscall(321, 8, None, 0))", "result(libc.syscall(321, 10, None, 0))",
        "result(libc.syscall(321, 34, None, 0))",
        // The same call by the numbers of x32.
        "result(libc.syscall(0x40000000 | 1, 1, b'x', 1))",
    ])
    func `what no load does is EPERM`(what: String) throws {
        #if arch(x86_64)
            let exit = try attempt(what)
            #expect(exit.reason == .exited(0))
            #expect(String(decoding: exit.output, as: UTF8.self) == "Operation not permitted")
        #endif
    }

    @Test(arguments: [
        "os.execv('/bin/true', ['true'])", "os.fork()", "socket.socket()",
        "libc.ptrace(0, 0, None, None)", "libc.kill(os.getppid(), 0)", "libc.unshare(0)",
        "libc.setns(0, 0)", "libc.mount(None, None, None, 0, None)", "libc.setuid(0)",
        "libc.socketpair(1, 1, 0, (ctypes.c_int * 2)())",
    ])
    func `what only a process that was taken over does ends it`(what: String) throws {
        let exit = try attempt(what)
        #expect(exit.reason == .signalled(31), "\(what): \(exit.reason)")
    }
}
