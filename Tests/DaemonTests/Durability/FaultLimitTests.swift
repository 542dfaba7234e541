import JSON
import Linux
import TestSupport
import Testing

/// Out of descriptors; stopped for a while; two daemons; no bpffs.
@Suite(.requiresRoot) struct FaultLimitTests {
    @Test(.needs(.tracepoint)) func `out of descriptors it refuses and goes on`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let link = try apiary.link("c.count")
        let process = "\(apiary.processIdentifier ?? 0)"
        #expect(try apiary.isAtRest)
        let open = try FileSystem.list("/proc/\(process)/fd").count
        var statuses: Set<Int> = []
        let spares = FaultRun.isLong ? Array(1...12) : [3]
        for spare in spares {
            try Machine.run("prlimit", "--pid", process, "--nofile=\(open + spare):")
            for number in 0..<3 {
                let program = "p\(spare).\(number)"
                let status = apiary.attempt(
                    "PUT /v1/programs/\(program)?attach=auto", file: "hooks.bpf.o")
                statuses.insert(status ?? 0)
            }
            try Machine.run("prlimit", "--pid", process, "--nofile=4096:")
            try apiary.isSound("after it had \(spare) descriptors")
        }
        // No answer (0) where not even the connection could be taken.
        #expect(statuses.isSubset(of: [0, 503]), "\(statuses)")
        // Few are enough: what a loader needs does not grow with the daemon.
        try Machine.run("prlimit", "--pid", process, "--nofile=\(open + 40):")
        try apiary.curl("PUT /v1/programs/few?attach=auto", file: "hooks.bpf.o").answers(201)
        try apiary.curl("DELETE /v1/programs/few").answers(204)
        try Machine.run("prlimit", "--pid", process, "--nofile=4096:")
        try apiary.curl("PUT /v1/programs/q?attach=auto", file: "hooks.bpf.o").answers(201)
        #expect(try apiary.link("c.count") == link)
        try apiary.isSound("after it was out of descriptors")
        FaultReport.line(
            "out of descriptors", spares.count * 3,
            "refused \(statuses.sorted()); well again after it")
    }

    @Test(.needs(.tracepoint)) func `stopped for a while it goes on where it was`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let seconds: UInt64 = FaultRun.isLong ? 20 : 2
        apiary.signal(19)
        Clock.sleep(nanoseconds: seconds * 1_000_000_000)
        apiary.signal(18)
        try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
        try apiary.curl("PUT /v1/programs/d", file: "counter.bpf.o").answers(201)
        try apiary.isSound("after SIGSTOP")
        FaultReport.line("SIGSTOP for \(seconds) s", 1, "goes on")
    }

    @Test func `a second daemon on a directory of the first refuses`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let before = try apiary.pins
        for (shared, what) in [
            ("--state-dir", apiary.stateDirectory), ("--runtime-dir", apiary.runtimeDirectory),
            ("--bpffs", apiary.bpffs),
        ] {
            let other = try TestDaemon(isStarted: false)
            other.arguments = [shared, what]
            let places = [
                ("--state-dir", other.stateDirectory), ("--runtime-dir", other.runtimeDirectory),
                ("--bpffs", other.bpffs),
            ].map { $0.0 == shared ? ($0.0, what) : $0 }
            let exit = try Child.run(
                Repository.buildDirectory + "/apiary",
                arguments: ["serve", "--socket", other.socket] + places.flatMap { [$0.0, $0.1] },
                deadlineMilliseconds: 30_000, outputLimit: 1 << 16)
            let said = String(decoding: exit.errors, as: UTF8.self)
            #expect(
                exit.reason != .exited(0) && exit.reason != .deadline, "\(shared): \(exit.reason)")
            #expect(said.contains("Another apiary"), "\(shared): \(said)")
        }
        #expect(try apiary.pins == before)
        try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
        FaultReport.line("a second daemon on state, runtime or bpffs directory", 3, "refuses")
    }

    @Test(.needs(.tracepoint))
    func `a bpffs that cannot be written refuses changes, and is used again`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        try Machine.run("mount", "-o", "remount,ro", apiary.bpffs)
        let load = try apiary.curl("PUT /v1/programs/d", file: "counter.bpf.o")
        #expect(load.status >= 400, "\(load)")
        #expect(load["/detail"]?.string?.contains("EROFS") == true, "\(load)")
        let probe = try apiary.curl(
            "PUT /v1/probes/x", json: #"{"program":"c","function":"count"}"#)
        #expect(probe.status >= 400, "\(probe)")
        try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
        try Machine.run("mount", "-o", "remount,rw", apiary.bpffs)
        try apiary.curl("PUT /v1/programs/d?attach=auto", file: "counter.bpf.o").answers(201)
        try apiary.isSound("after bpffs was read-only")
        FaultReport.line(
            "bpffs read-only while running", 2, "refused with EROFS; well again after it")
    }

    @Test(.needs(.tracepoint)) func `a bpffs that is unmounted is mounted again, with all pins`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let link = try apiary.link("c.count")
        let pins = try apiary.pins
        try Machine.run("umount", "--lazy", apiary.bpffs)
        #expect(try Machine.waits(seconds: 30) { try apiary.pins == pins })
        try apiary.isSound("after bpffs was unmounted")
        try apiary.restart()
        #expect(try apiary.link("c.count") == link)
        FaultReport.line("bpffs unmounted while running", 1, "mounted again, the same links pinned")
    }

    @Test(.needs(.tracepoint))
    func `a hundred probes are adopted, and it is ready within a second`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/h", file: "hooks.bpf.o").answers(201)
        for number in 0..<100 {
            try apiary.curl(
                "PUT /v1/probes/p\(number)", json: #"{"program":"h","function":"on_entry"}"#
            ).answers(201)
        }
        apiary.kill9()
        let start = Clock.monotonicNanoseconds()
        try apiary.start()
        let milliseconds = (Clock.monotonicNanoseconds() - start) / 1_000_000
        try apiary.isSound("100 probes")
        // The goal is a second; a loaded machine may need more, which is no reason to fail.
        #expect(milliseconds < 10_000)
        try apiary.curl("DELETE /v1/programs/h", deadlineSeconds: 120).answers(204)
        FaultReport.line("a start with 100 probes", 1, "ready after \(milliseconds) ms")
    }
}
