import JSON
import Linux
import Synchronization
import TestSupport
import Testing

/// The daemon killed in the middle of changes: after the next start the bpffs has the pins of what
/// is listed, and nothing else.
@Suite(.requiresRoot) struct CrashTests {
    @Test(.needs(.tracepoint)) func `20 kills in the middle of changes leave nothing half done`()
        throws
    {
        let apiary = try TestDaemon()
        var generator = SystemRandomNumberGenerator()
        for round in 0..<20 {
            let delay = UInt64.random(in: 1_000_000...250_000_000, using: &generator)
            try killed(apiary, afterNanoseconds: delay)
            try apiary.start()
            try isWhole(apiary, "round \(round), killed after \(delay) ns")
        }
        for name in try apiary.curl("GET /v1/programs").names() {
            try apiary.curl("DELETE /v1/programs/\(name)").answers(204)
        }
        #expect(try apiary.pins == [])
    }

    /// Changes one after the other by a shell of its own, until the daemon is gone.
    private func killed(_ apiary: TestDaemon, afterNanoseconds delay: UInt64) throws {
        let objects = ["counter", "events", "hooks"].map { Repository.object($0 + ".bpf.o") }
        let curl = "curl -s -o /dev/null --unix-socket \(apiary.socket)"
        let base = "http://localhost/v1"
        let script = """
            while kill -0 \(apiary.processIdentifier ?? 0) 2>/dev/null; do
                \(curl) -T \(objects[0]) '\(base)/programs/a?attach=auto'
                \(curl) -T \(objects[1]) '\(base)/programs/b?attach=auto'
                \(curl) -T \(objects[2]) '\(base)/programs/c?attach=auto'
                \(curl) -T \(objects[0]) '\(base)/programs/a?attach=auto&label=n=1'
                \(curl) -X PATCH -d '{"enabled":false}' '\(base)/probes/a.count'
                \(curl) -X DELETE '\(base)/probes?program=c'
                \(curl) -X DELETE '\(base)/programs/b'
                \(curl) -X DELETE '\(base)/programs/a'
                \(curl) -T \(objects[2]) '\(base)/programs/c?global=number=1'
            done
            true
            """
        let failure = Mutex<String?>(nil)
        let shell = try NamedThread("changes") {
            do { try Machine.run("sh", "-c", script) } catch {
                failure.withLock { $0 = "\(error)" }
            }
        }
        Clock.sleep(nanoseconds: delay)
        apiary.kill9()
        shell.join()
        #expect(failure.withLock { $0 } == nil)
    }

    private func isWhole(_ apiary: TestDaemon, _ when: String) throws {
        let programs = try apiary.curl("GET /v1/programs").answers(200)["/items"]?.array ?? []
        let probes = try apiary.curl("GET /v1/probes").answers(200)["/items"]?.array ?? []
        var functions: Set<Int> = []
        for program in programs {
            #expect(program["state"] == "loaded", "\(when): \(program.compact)")
            for function in program["functions"]?.array ?? [] {
                functions.insert(function["kernel_id"]?.int ?? 0)
            }
        }
        let links = Set(probes.compactMap { $0.at("/link/kernel_id")?.int })
        for probe in probes {
            #expect(probe["state"] != "failed", "\(when): \(probe.compact)")
        }
        var pinnedLinks: Set<Int> = []
        var pinnedFunctions: Set<Int> = []
        var loads = 0
        for pin in try apiary.pins {
            let path = apiary.bpffs + "/" + pin
            guard FileSystem.kind(path) == .directory else {
                pinnedLinks.insert(
                    try Machine.bpftool("link", "show", "pinned", path)?["id"]?.int ?? 0)
                continue
            }
            loads += 1
            for name in try FileSystem.list(path) {
                let shown = try Machine.bpftool("prog", "show", "pinned", path + "/" + name)
                if let id = shown?["id"]?.int { pinnedFunctions.insert(id) }
            }
        }
        #expect(pinnedLinks == links, "\(when)")
        #expect(pinnedFunctions == functions, "\(when)")
        #expect(loads == programs.count, "\(when)")
    }
}
