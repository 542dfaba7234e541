import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// USDT on kernels without cookies, before 5.15, where a program knows the place by its address
/// alone; on later ones all of it works as ever.
@Suite(.requiresRoot) final class UserStaticAddressTests {
    private let apiary: TestDaemon
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init() throws {
        apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        process.executableURL = URL(fileURLWithPath: Repository.object("usdt_target"))
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        // It runs its own code once it answers.
        try pass()
    }

    deinit {
        // A process that has ended by itself has closed its pipe already.
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Passes the places of the running process once.
    private func pass() throws {
        try input.fileHandleForWriting.write(contentsOf: Data("x\n".utf8))
        _ = try output.fileHandleForReading.read(upToCount: 2)
    }

    private func attach(_ function: String, _ name: String, _ more: String, id: String) throws
        -> Answer
    {
        try apiary.curl(
            "PUT /v1/probes/\(id)",
            json: """
                {"program":"u","function":"\(function)","attach":{"kind":"usdt",
                 "provider":"apiary_test","name":"\(name)",\(more)}}
                """)
    }

    private func global(_ name: String) throws -> Int? { try apiary.global("u", name)?.int }

    private var place: String {
        #""binary":"\#(Repository.object("usdt_target"))","pid":\#(process.processIdentifier)"#
    }

    @Test(.needs("usdt")) func `a process's places have their arguments and cookies`() throws {
        try attach("on_mark", "mark", place + #","cookie":77"#, id: "m").answers(201)
        try attach("on_other", "counted", place, id: "c").answers(201)
        for turn in 1...3 {
            try pass()
            #expect(try global("first") == turn + 1)
            #expect(try global("third") == -7)
            #expect(try global("count") == 4)
            #expect(try global("cookie") == 77)
            #expect(try global("other_first") == turn + 1)
            #expect(try global("hits") == turn)
            apiary.kill9()
            try apiary.start()
            try apiary.curl("GET /v1/probes/m").answers(200, #"{"state":"attached"}"#)
        }
        try apiary.curl("DELETE /v1/probes/m").answers(204)
        try pass()
        #expect(try global("hits") == 3)
        #expect(try global("others") == 4)
        // The place is free again, for another cookie.
        try attach("on_mark", "mark", place + #","cookie":78"#, id: "n").answers(201)
        try pass()
        #expect(try global("cookie") == 78)
        try attach("on_mark", "mark", place + #","cookie":79"#, id: "n").answers(200)
        try pass()
        #expect(try global("cookie") == 79)
        #expect(try global("first") == 7)
        try apiary.curl(
            "PUT /v1/probes/n?dry_run=true",
            json: """
                {"program":"u","function":"on_mark","attach":{"kind":"usdt","cookie":80,
                 "provider":"apiary_test","name":"mark",\(place)}}
                """
        ).answers(200)
        try pass()
        #expect(try global("cookie") == 79)
    }

    @Test(.needs("usdt")) func `a program that always lies in one place needs no process`() throws {
        let fixed = Repository.object("usdt_target") + ".fixed"
        try attach("on_mark", "mark", #""binary":"\#(fixed)","cookie":5"#, id: "m").answers(201)
        try Machine.run("bash", "-c", "printf 'x\\na\\n' | \(fixed)")
        #expect(try global("first") == 1002)
        #expect(try global("hits") == 3)
        #expect(try global("cookie") == 5)
    }

    @Test(.needs("usdt")) func `what an older kernel cannot tell apart is refused and says why`()
        throws
    {
        let first = try attach("on_mark", "mark", place, id: "m").answers(201)
        let second = try attach("on_mark", "mark", place + #","cookie":1"#, id: "n")
        // 5.15 brought cookies and links.
        let isOld = first["/link/pinned"]?.bool == false
        guard isOld else {
            second.answers(201)
            return
        }
        second.answers(409, #"{"code":"attach_busy","holder_probe":"m"}"#)
        let refused = try attach(
            "on_other", "counted", #""binary":"\#(Repository.object("usdt_target"))""#, id: "c"
        ).answers(501, #"{"code":"host_lacks"}"#)
        #expect(refused["/hint"]?.string?.contains("pid") == true, "\(refused)")
    }
}
