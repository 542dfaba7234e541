import JSON
import Linux
import TestSupport
import Testing

/// What systemd does with the unit, by hand: the datagrams, the watchdog, the socket that it made.
@Suite(.requiresRoot, .requires("python3")) struct SupervisorTests {
    /// Prints each datagram that comes, a line each.
    private static let listener = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(sys.argv[1])
        print("bound", flush=True)
        while True:
            print(s.recv(4096).decode().replace("\\n", " "), flush=True)
        """

    /// Stops one thread of a process, by its name, as a kernel or a disk that hangs would; goes away
    /// at SIGTERM, and the thread runs on.
    private static let stopper = """
        import ctypes, os, signal, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        pid, name = int(sys.argv[1]), sys.argv[2]
        found = [int(t) for t in os.listdir(f"/proc/{pid}/task")
                 if open(f"/proc/{pid}/task/{t}/comm").read().strip() == name]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        for t in found:
            assert libc.ptrace(0x4206, t, None, None) == 0, ctypes.get_errno()  # PTRACE_SEIZE
            assert libc.ptrace(0x4207, t, None, None) == 0, ctypes.get_errno()  # PTRACE_INTERRUPT
        print("stopped", len(found), flush=True)
        time.sleep(600)
        """

    /// Makes the listening socket and becomes the daemon, which finds it as descriptor 3.
    private static let activator = """
        import os, socket, sys
        s = socket.socket(socket.AF_UNIX if sys.argv[1] == "unix" else socket.AF_INET)
        s.bind(sys.argv[2] if sys.argv[1] == "unix" else ("127.0.0.1", 0))
        s.listen(16)
        os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[3])), LISTEN_FDS="1")
        os.execv(sys.argv[4], sys.argv[4:])
        """

    private func listen(_ apiary: TestDaemon) throws -> BackgroundProcess {
        let path = apiary.directory + "/notify"
        let process = try Machine.start(
            "python3", "-c", Self.listener, path, log: apiary.directory + "/notified")
        _ = try eventually { process.text.contains("bound") ? true : nil }
        apiary.environment["NOTIFY_SOCKET"] = path
        return process
    }

    private func count(_ text: String, in process: BackgroundProcess) -> Int {
        process.text.split(separator: "\n").count { $0.contains(text) }
    }

    @Test func `readiness and the stop are told, and no watchdog that nobody wants`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let notified = try listen(apiary)
        defer { notified.stop() }
        try apiary.start()
        _ = try eventually { notified.text.contains("READY=1 STATUS=Serving") ? true : nil }
        #expect(apiary.stop() == 0)
        _ = try eventually { notified.text.contains("STOPPING=1") ? true : nil }
        #expect(!notified.text.contains("WATCHDOG"))
    }

    @Test(arguments: ["MHD-single", "http-watch", "pump", "keeper"])
    func `the watchdog is fed while all threads get on, and not while one hangs`(
        thread: String
    ) throws {
        let apiary = try TestDaemon(isStarted: false)
        let notified = try listen(apiary)
        defer { notified.stop() }
        apiary.environment["WATCHDOG_USEC"] = "1500000"
        try apiary.start()
        // The thread of the deadlines has something to do only while somebody is connected.
        let stream = try apiary.stream("GET /v1/events")
        _ = try stream.next(kind: "hello")
        _ = try eventually { count("WATCHDOG=1", in: notified) >= 3 ? true : nil }
        let stopper = try Machine.start(
            "python3", "-c", Self.stopper, "\(apiary.processIdentifier ?? 0)", thread,
            log: apiary.directory + "/stopper")
        defer { stopper.stop() }
        _ = try eventually { stopper.text.contains("stopped 1") ? true : nil }
        // The thread of the deadlines may be late by its 30 s, a listener by the quiet of one round.
        _ = try eventually(seconds: 120) {
            let before = count("WATCHDOG=1", in: notified)
            Clock.sleep(nanoseconds: 4_000_000_000)
            return count("WATCHDOG=1", in: notified) == before ? true : nil
        }
        stopper.stop()
        let before = count("WATCHDOG=1", in: notified)
        _ = try eventually(seconds: 60) {
            count("WATCHDOG=1", in: notified) > before + 1 ? true : nil
        }
        try apiary.curl("GET /v1/health").answers(200)
    }

    @Test func `a listener that is full is no daemon that hangs`() throws {
        let port = try Machine.freePort()
        let apiary = try TestDaemon(
            arguments: [
                "--listen", "127.0.0.1:\(port)", "--unprotected", "--set", "max_connections=16",
            ], isStarted: false)
        let notified = try listen(apiary)
        defer { notified.stop() }
        // The streams' heartbeats, every 15 s, are all that a full listener shows of its life.
        apiary.environment["WATCHDOG_USEC"] = "24000000"
        try apiary.start()
        let clients = try Machine.start(
            "sh", "-c",
            "sleep 600 | python3 \(Repository.root)/scripts/hostile.py streams 127.0.0.1 \(port) 16",
            log: apiary.directory + "/full")
        defer { clients.stop() }
        _ = try eventually { clients.text.contains("{\"open\": 16}") ? true : nil }
        let before = count("WATCHDOG=1", in: notified)
        _ = try eventually(seconds: 90) {
            count("WATCHDOG=1", in: notified) > before + 2 ? true : nil
        }
        #expect(!apiary.log.contains("the watchdog is not fed"), "\(apiary.log)")
        // Nor is an operator kept out.
        try apiary.curl("GET /v1/programs").answers(200)
    }

    @Test func `a socket that the supervisor made is served, and stays`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let script = apiary.directory + "/activate.py"
        try FileSystem.replace(script, with: Array(Self.activator.utf8).span)
        apiary.launcher = ["python3", script, "unix", apiary.socket, "0"]
        try apiary.launch()
        // Whoever comes before the daemon listens waits, and is not refused.
        _ = try eventually { FileSystem.kind(apiary.socket) == .socket ? true : nil }
        _ = try eventually { try? apiary.curl("GET /v1/health") }
        _ = try eventually { try apiary.curl("GET /v1/ready").status == 200 ? true : nil }
        let audited = try apiary.curl("POST /v1/tokens", json: #"{"name":"t","role":"read"}"#)
        audited.answers(201)
        let row = try apiary.curl("GET /v1/audit?action=post_token").answers(200)
        #expect(row["/items/0/actor"]?.string?.hasPrefix("unix:uid=0,pid=") == true)
        #expect(apiary.stop() == 0)
        #expect(FileSystem.kind(apiary.socket) == .socket, "the supervisor's name was removed")
    }

    @Test func `variables for another process are not taken`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let script = apiary.directory + "/activate.py"
        try FileSystem.replace(script, with: Array(Self.activator.utf8).span)
        apiary.launcher = ["python3", script, "unix", apiary.directory + "/other", "1"]
        try apiary.start()
        try apiary.curl("GET /v1/health").answers(200)
        #expect(apiary.stop() == 0)
        #expect(FileSystem.kind(apiary.socket) == nil, "its own socket is left")
    }

    @Test func `a TCP socket of the supervisor's is refused, since it wants credentials`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let script = apiary.directory + "/activate.py"
        try FileSystem.replace(script, with: Array(Self.activator.utf8).span)
        apiary.launcher = ["python3", script, "tcp", "-", "0"]
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains("Cannot listen on"), "\(apiary.log)")
    }
}
