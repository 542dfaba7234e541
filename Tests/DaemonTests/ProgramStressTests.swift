import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Programs in sizes and numbers beyond the ordinary.
@Suite(.requiresRoot) struct ProgramStressTests {
    @Test func `names that a bpffs refuses are names like others`() throws {
        let apiary = try TestDaemon()
        let names = [
            "v1.2.3", "a.b-c_d.bpf.o", "0", "A..", String(repeating: "n.", count: 63) + "n",
        ]
        for name in names {
            try apiary.curl("PUT /v1/programs/\(name)?attach=auto", file: "hooks_next.bpf.o")
                .answers(201, #"{"name":"\#(name)"}"#)
            try apiary.curl("GET /v1/maps/\(name)/.rodata").answers(200, #"{"name":".rodata"}"#)
            try apiary.curl("GET /v1/probes/\(name).on_tracepoint")
                .answers(200, #"{"state":"attached"}"#)
        }
        #expect(try apiary.curl("GET /v1/programs").names() == names.sorted())
        apiary.kill9()
        try apiary.start()
        for name in names {
            try apiary.curl("GET /v1/probes/\(name).on_tracepoint")
                .answers(200, #"{"state":"attached"}"#)
            try apiary.curl("DELETE /v1/programs/\(name)").answers(204)
        }
        #expect(try apiary.pins == [])
        for name in [".hidden", "-x", "_x", "a b", "ä", String(repeating: "n", count: 128)] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "hooks_next.bpf.o")
                .answers(400, problem: .invalidName)
        }
    }

    @Test func `two programs of one object have maps of their own`() throws {
        let apiary = try TestDaemon()
        for name in ["a", "b"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "hooks_next.bpf.o").answers(201)
        }
        try apiary.curl("PUT /v1/maps/a/counts/entries/0", json: #"{"value":7}"#).answers(200)
        #expect(try apiary.value("a/counts", 0) == 7)
        #expect(try apiary.value("b/counts", 0) == 0)
        try apiary.curl("DELETE /v1/programs/a").answers(204)
        #expect(try apiary.value("b/counts", 0) == 0)
    }

    @Test func `200 programs are put at once, and deleted at once`() throws {
        let apiary = try TestDaemon()
        let path = Repository.object("undeclared.bpf.o")
        let curl = "curl -sS -o /dev/null -w '%{http_code}\\n' --unix-socket \(apiary.socket)"
        func all(_ arguments: String) throws -> [Int: Int] {
            let answers = try Machine.run(
                "bash", "-c",
                "for i in $(seq 200); do \(curl) \(arguments) & done; wait")
            return answers.split(separator: "\n").reduce(into: [:]) { counts, status in
                counts[Int(status) ?? 0, default: 0] += 1
            }
        }
        #expect(try all("-T \(path) http://localhost/v1/programs/p$i") == [201: 200])
        let listed = try apiary.curl("GET /v1/programs?limit=1000").answers(200)
        #expect(listed["/items"]?.array?.count == 200)
        #expect(try all("-T \(path) http://localhost/v1/programs/p$i") == [200: 200])
        #expect(try all("-X DELETE http://localhost/v1/programs/p$i") == [204: 200])
        #expect(try apiary.pins == [])
    }

    @Test func `50 clients put one name: one load, or one after the other`() throws {
        let apiary = try TestDaemon()
        let path = Repository.object("undeclared.bpf.o")
        let curl = "curl -sS -o /dev/null -w '%{http_code}\\n' --unix-socket \(apiary.socket)"
        let answers = try Machine.run(
            "bash", "-c",
            "for i in $(seq 50); do \(curl) -T \(path) http://localhost/v1/programs/p & done; wait")
        let statuses = answers.split(separator: "\n").sorted()
        #expect(statuses.count == 50)
        #expect(statuses.filter { $0 == "201" }.count == 1)
        #expect(statuses.allSatisfy { $0 == "201" || $0 == "200" })
        #expect(try apiary.pins.count == 1)
    }

    @Test(.timeLimit(.minutes(5))) func `an object of 16 MiB loads, and its table is not in lists`()
        throws
    {
        let apiary = try TestDaemon()
        let put = try apiary.curl("PUT /v1/programs/giant", file: "giant.bpf.o").answers(201)
        #expect((put["/size_bytes"]?.int ?? 0) > 16 << 20)
        let table = put["/globals"]?.array?.first { $0["name"] == "table" }
        #expect(table?["value"] == .null)
        let place = put["/globals"]?.array?.first { $0["name"] == "place" }
        #expect(place?["value"] == 2)
        #expect(put.body.count < 10_000)
        let object = try apiary.curl("GET /v1/programs/giant/object").answers(200)
        #expect(object.body.count == put["/size_bytes"]?.int)
        try apiary.curl("PUT /v1/programs/giant", file: "giant.bpf.o")
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("DELETE /v1/programs/giant").answers(204)
    }

    @Test(.timeLimit(.minutes(5))) func `an object with 300 functions loads, attaches and goes`()
        throws
    {
        let apiary = try TestDaemon()
        let put = try apiary.curl("PUT /v1/programs/throng?attach=auto", file: "throng.bpf.o")
            .answers(201)
        #expect(put["/functions"]?.array?.count == 300)
        let probes = try apiary.curl("GET /v1/probes?program=throng&state=attached&limit=1000")
        #expect(probes["/items"]?.array?.count == 300)
        try apiary.curl("GET /v1/programs/throng/functions/member_299")
            .answers(200, #"{"type":"raw_tracepoint"}"#)
        try apiary.curl("DELETE /v1/programs/throng").answers(204)
        #expect(try apiary.pins == [])
    }
}
