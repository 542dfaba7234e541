import Foundation
import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct ProcessTests {
    @Test func `a second daemon on the same directories refuses to start`() throws {
        let apiary = try TestDaemon()
        let second = try Child.run(
            Repository.buildDirectory + "/apiary",
            arguments: [
                "serve", "--runtime-dir", apiary.runtimeDirectory, "--state-dir",
                apiary.stateDirectory, "--bpffs", apiary.bpffs, "--socket",
                apiary.directory + "/second.sock",
            ], deadlineMilliseconds: 20_000, outputLimit: 4096)
        guard case .exited(let status) = second.reason else {
            Issue.record("\(second.reason)")
            return
        }
        #expect(status != 0)
        let said = String(decoding: second.errors + second.output, as: UTF8.self)
        #expect(said.contains("Another apiary runs in"), "\(said)")
        try apiary.curl("GET /v1/ready").answers(200)
    }

    @Test(.needs(.tracepoint)) func `SIGTERM stops the daemon and leaves the probes`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        try apiary.load("x", "hooks_next.bpf.o", watching: other.processIdentifier)
        let link = try apiary.link("x.on_tracepoint")
        #expect(apiary.stop() == 0)
        #expect(try Machine.hasLink(link))
        #expect(!FileSystem.exists(apiary.socket))
        try other.getpgid(2)
        try apiary.start()
        #expect(try apiary.value("x/counts", 0) == 20)
        #expect(try apiary.link("x.on_tracepoint") == link)
    }

    @Test func `SIGTERM ends open streams with a reason`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/e", file: "events.bpf.o").answers(201)
        let stream = try apiary.stream("GET /v1/events?program=e")
        _ = try stream.next(kind: "hello")
        #expect(apiary.stop() == 0)
        let (lines, status) = try stream.rest()
        #expect(lines.last?["kind"] == "end")
        #expect(lines.last?["reason"] == "shutdown")
        #expect(status == 0)
    }

    @Test func `the socket is for root and its group`() throws {
        let apiary = try TestDaemon()
        let attributes = try FileManager.default.attributesOfItem(atPath: apiary.socket)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o660)
    }

    @Test func `20 loads at once come out whole`() throws {
        let apiary = try TestDaemon()
        let object = Repository.object("hooks_next.bpf.o")
        // Half of them ask for the same name.
        let script = """
            for i in 1 2 3 4 5 6 7 8 9 10; do
                for name in same p$i; do
                    curl -s -o /dev/null -w '%{http_code}\\n' --unix-socket \(apiary.socket) \
            -T \(object) "http://localhost/v1/programs/$name?attach=auto" &
                done
            done
            wait
            """
        let codes = try Machine.run("sh", "-c", script).split(separator: "\n")
        #expect(codes.count == 20)
        #expect(codes.count { $0 == "201" } == 11, "\(codes)")
        #expect(codes.count { $0 == "200" } == 9, "\(codes)")
        #expect(try apiary.curl("GET /v1/programs").names().count == 11)
        #expect(try apiary.pins.count == 22)
        #expect(try apiary.curl("GET /v1/probes?state=attached").names("id").count == 11)
    }
}
