import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// The loader that is started before it is needed: used once, replaced, and never in the way.
@Suite(.requiresRoot) struct SpareLoaderTests {
    private func load(_ apiary: TestDaemon, _ name: String) throws {
        try apiary.curl("PUT /v1/programs/\(name)", file: "counter.bpf.o").answers(201)
    }

    @Test func `each load takes the spare, and another waits then`() throws {
        let apiary = try TestDaemon()
        #expect(try apiary.isAtRest)
        var seen: Set<Int32> = try Set(apiary.spares)
        for number in 1...5 {
            try load(apiary, "p\(number)")
            #expect(try apiary.isAtRest)
            let now = try apiary.spares
            #expect(now.count == 1)
            seen.formUnion(now)
        }
        #expect(seen.count == 6)
    }

    @Test func `a spare that was killed is not missed`() throws {
        let apiary = try TestDaemon()
        #expect(try apiary.isAtRest)
        let spare = try #require(try apiary.spares.first)
        kill(spare, SIGKILL)
        try load(apiary, "x")
        #expect(try apiary.isAtRest)
        #expect(try apiary.spares.first != spare)
        // No dead child is left behind.
        #expect(!FileSystem.exists("/proc/\(spare)"))
    }

    @Test func `many loads at once start their own`() throws {
        let apiary = try TestDaemon()
        let object = Repository.object("counter.bpf.o")
        let said = try Machine.run(
            "bash", "-c",
            """
            for n in $(seq 12); do
                curl -sS -o /dev/null -w '%{http_code}\n' --unix-socket \(apiary.socket) \\
                    -T \(object) http://localhost/v1/programs/p$n &
            done; wait
            """)
        #expect(said.split(separator: "\n") == Array(repeating: "201", count: 12))
        #expect(try apiary.isAtRest)
    }

    @Test(arguments: [SIGTERM, SIGKILL]) func `it ends with the daemon`(signal: Int32) throws {
        let apiary = try TestDaemon()
        #expect(try apiary.isAtRest)
        let spare = try #require(try apiary.spares.first)
        if signal == SIGKILL { apiary.kill9() } else { _ = apiary.stop() }
        #expect(try Machine.waits { !FileSystem.exists("/proc/\(spare)") })
    }
}
