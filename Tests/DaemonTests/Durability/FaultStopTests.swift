import JSON
import Linux
import TestSupport
import Testing

/// How the daemon ends: by SIGTERM, by `POST /v1/shutdown`, with and without taking all along.
@Suite(.requiresRoot) struct FaultStopTests {
    @Test(.needs(.tracepoint)) func `SIGTERM ends streams with an end and leaves probes attached`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/e?attach=auto", file: "counter.bpf.o").answers(201)
        let link = try apiary.link("e.count")
        let lines = apiary.directory + "/stream"
        let curl = "curl -sN --unix-socket \(apiary.socket) http://localhost/v1/events"
        let stream = try NamedThread("stream") {
            // What the stream said is in the file, whatever became of curl.
            _ = try? Machine.run("sh", "-c", "\(curl) > \(lines)")
        }
        #expect(try Machine.waits { FileSystem.text(lines)?.contains("hello") == true })
        let start = Clock.monotonicNanoseconds()
        #expect(apiary.stop() == 0)
        let milliseconds = (Clock.monotonicNanoseconds() - start) / 1_000_000
        stream.join()
        let last = FileSystem.text(lines)?.split(separator: "\n").last ?? ""
        #expect(
            last.contains(#""kind":"end""#) && last.contains(#""reason":"shutdown""#), "\(last)")
        #expect(try Machine.hasLink(link))
        #expect(milliseconds < 5000, "it took \(milliseconds) ms")
        try apiary.start()
        #expect(try apiary.link("e.count") == link)
        FaultReport.line("SIGTERM", 1, "stream ended with end, probe attached, \(milliseconds) ms")
    }

    @Test(.needs(.tracepoint)) func `SIGTERM in the middle of changes finishes or undoes them`()
        throws
    {
        let apiary = try TestDaemon()
        var held = 0
        for round in 0..<(FaultRun.isLong ? 20 : 4) {
            let script = """
                for i in $(seq 50); do
                    curl -s -o /dev/null -T \(Repository.object("hooks.bpf.o")) \
                        --unix-socket \(apiary.socket) \
                        "http://localhost/v1/programs/h?attach=auto&global=number=$i" || break
                done
                """
            let writer = try NamedThread("writer") {
                // It ends when nobody answers any more.
                _ = try? Machine.run("sh", "-c", script)
            }
            Clock.sleep(nanoseconds: UInt64(50 + round * 37 % 200) * 1_000_000)
            let start = Clock.monotonicNanoseconds()
            #expect(apiary.stop() == 0)
            #expect(Clock.monotonicNanoseconds() - start < 5_000_000_000)
            writer.join()
            try apiary.start()
            try apiary.isSound("SIGTERM, round \(round)")
            held += 1
        }
        FaultReport.line(
            "SIGTERM in the middle of replacing", held, "finished or undone, under 5 s")
    }

    @Test(.needs(.uprobe))
    func `a stop that detaches leaves nothing, and the next start brings it back`()
        throws
    {
        for byOption in [true, false] {
            let apiary = try TestDaemon(arguments: byOption ? ["--detach-on-stop"] : [])
            try apiary.curl("PUT /v1/programs/h?attach=auto", file: "hooks.bpf.o").answers(201)
            try apiary.curl("PATCH /v1/probes/h.on_raw", json: #"{"enabled":false}"#).answers(200)
            let before = try apiary.registered()
            let link = try apiary.link("h.on_entry")
            let function = try apiary.curl("GET /v1/programs/h")["/functions/0/kernel_id"]?.int
            if byOption {
                #expect(apiary.stop() == 0)
            } else {
                try apiary.curl("POST /v1/shutdown?detach=true&dry_run=true").answers(
                    202, #"{"stopping":false,"detach":true,"dry_run":true}"#)
                try apiary.curl("POST /v1/shutdown?detach=true")
                    .answers(202, #"{"stopping":true,"detach":true}"#)
                #expect(try apiary.waitsForDeath())
            }
            #expect(try apiary.pins == [])
            #expect(try !Machine.hasLink(link))
            #expect(try Machine.waits { try !Machine.hasProgram(function) })
            try apiary.start()
            #expect(try apiary.registered() == before)
            try apiary.isSound("after a detaching stop")
        }
        FaultReport.line(
            "a stop that detaches", 2, "nothing left in the kernel; all back at the start")
    }

    @Test(.needs(.tracepoint)) func `a shutdown without detach leaves probes attached`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let link = try apiary.link("c.count")
        try apiary.curl("POST /v1/shutdown").answers(202, #"{"stopping":true,"detach":false}"#)
        #expect(try apiary.waitsForDeath())
        #expect(try Machine.hasLink(link))
        try apiary.start()
        #expect(try apiary.link("c.count") == link)
        try apiary.curl("POST /v1/shutdown?detach=maybe").answers(400)
        try apiary.curl("GET /v1/audit?action=post_shutdown").answers(
            200, #"{"items":[{"subject":"daemon","outcome":"ok"}]}"#)
    }

    @Test func `SIGHUP reads the configuration again`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let file = apiary.directory + "/apiary.yaml"
        try FileSystem.replace(file, with: Array("log_level: warning\n".utf8).span)
        apiary.arguments = ["--config", file]
        try apiary.start()
        #expect(!apiary.log.contains("ready"))
        let text = "log_level: info\nsnapshot_interval_s: 5\n"
        try FileSystem.replace(file, with: Array(text.utf8).span)
        apiary.signal(1)
        #expect(
            try Machine.waits {
                apiary.log.contains("read again") && apiary.log.contains("snapshot_interval_s")
            })
        try FileSystem.replace(file, with: Array("log_level: loud\n".utf8).span)
        apiary.signal(1)
        #expect(try Machine.waits { apiary.log.contains("nothing was changed") })
        try apiary.curl("GET /v1/health").answers(200)
        FaultReport.line("SIGHUP with a good and a broken configuration", 2, "read again; kept")
    }
}
