import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Static places, of a program with known arguments: `number`, `-number`, -7 and 5.
@Suite(.requiresRoot) final class UserStaticTests {
    /// A copy of the test's own: probes are on a file, and see all that run it.
    private let target = "/tmp/apiary-test-usdt-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.copyItem(
            atPath: Repository.object("usdt_target"), toPath: target)
    }

    deinit { try? FileManager.default.removeItem(atPath: target) }

    private func place(_ name: String, _ more: String = "") -> String {
        #""kind":"usdt","binary":"\#(target)","provider":"apiary_test","name":"\#(name)"\#(more)"#
    }

    private func attach(_ apiary: TestDaemon, _ function: String, _ members: String, id: String)
        throws -> Answer
    {
        try apiary.curl(
            "PUT /v1/probes/\(id)",
            json: #"{"program":"u","function":"\#(function)","attach":{\#(members)}}"#)
    }

    /// Passes the places once for each letter; `a` takes another way, with 1000 more.
    @discardableResult
    private func pass(_ lines: String) throws -> [String] {
        try Machine.run("bash", "-c", "printf '\(lines)' | \(target)")
            .split(separator: "\n").map(String.init)
    }

    @Test(.needs("usdt")) func `a place's arguments are read, also after a restart`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        let put = try attach(apiary, "on_mark", place("mark", #","cookie":77"#), id: "m")
            .answers(201, #"{"state":"attached","link":{"pinned":true}}"#)
        #expect(put["/attach/cookie"]?.int == 77)
        try pass("x\\n")
        let wanted = [
            "first": 1, "second": -1, "third": -7, "fourth": 5, "count": 4, "cookie": 77,
            "hits": 1,
        ]
        for (name, value) in wanted {
            #expect(try apiary.global("u", name)?.int == value, "\(name)")
        }
        try apiary.restart()
        try apiary.curl("GET /v1/probes/m").answers(200, #"{"state":"attached"}"#)
        // The other place of the same probe has one argument.
        try pass("x\\na\\n")
        #expect(try apiary.global("u", "first")?.int == 1002)
        #expect(try apiary.global("u", "count")?.int == 1)
        #expect(try apiary.global("u", "hits")?.int == 4)
        try apiary.curl("DELETE /v1/probes/m").answers(204)
        try pass("x\\n")
        #expect(try apiary.global("u", "hits")?.int == 4)
    }

    @Test(.needs("usdt")) func `a semaphore is counted up while somebody looks`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        #expect(try pass("x\\n") == ["0"])
        try attach(apiary, "on_other", place("counted"), id: "c").answers(201)
        #expect(try pass("x\\n") == ["1"])
        #expect(try apiary.global("u", "other_first")?.int == 1)
        try apiary.curl("DELETE /v1/probes/c").answers(204)
        #expect(try pass("x\\n") == ["0"])
    }

    @Test(.needs("usdt")) func `each probe has its own places in the table, and gives them back`()
        throws
    {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "usdt_args.bpf.o")
        try apiary.curl(
            "PUT /v1/programs/u",
            json: """
                {"object":{"digest":"\(kept["/digest"]?.string ?? "")"},
                 "maps":{"__bpf_usdt_specs":{"max_entries":3}}}
                """
        ).answers(201)
        try attach(apiary, "on_mark", place("mark", #","cookie":1"#), id: "m").answers(201)
        try attach(apiary, "on_other", place("counted"), id: "c").answers(201)
        // Three kinds of places are written; a fourth finds no room.
        try attach(apiary, "on_other", place("counted", #","cookie":9"#), id: "d")
            .answers(409, #"{"code":"attach_busy"}"#)
        try apiary.restart()
        try apiary.curl("DELETE /v1/probes/c").answers(204)
        try attach(apiary, "on_other", place("counted", #","cookie":9"#), id: "d").answers(201)
        try pass("x\\na\\n")
        #expect(try apiary.global("u", "first")?.int == 1002)
        #expect(try apiary.global("u", "other_first")?.int == 2)
        #expect(try apiary.global("u", "hits")?.int == 3)
        #expect(try apiary.global("u", "others")?.int == 2)
    }

    @Test(.needs("usdt")) func `what is not there is refused with what is near`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        let near = try attach(apiary, "on_mark", place("mork"), id: "m")
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/name"}"#)
        #expect(near["/detail"]?.string?.contains("apiary_test:mark") == true)
        try attach(
            apiary, "on_mark",
            #""kind":"usdt","binary":"/etc/passwd","provider":"p","name":"n""#, id: "m"
        ).answers(422)
        try attach(
            apiary, "on_mark",
            #""kind":"usdt","binary":"/no/such/file","provider":"p","name":"n""#, id: "m"
        ).answers(422, #"{"code":"target_not_found","pointer":"/attach/binary"}"#)
        try attach(apiary, "on_mark", #""kind":"usdt","binary":"/bin/sh""#, id: "m")
            .answers(400, problem: .invalidMember)
        try attach(
            apiary, "on_mark", #""kind":"uprobe","binary":"/bin/sh","symbol":"main""#, id: "m"
        ).answers(422, problem: .wrongKind)
        try apiary.curl("POST /v1/probes", json: #"{"program":"u","function":"on_mark"}"#)
            .answers(400, problem: .invalidMember)
    }
}
