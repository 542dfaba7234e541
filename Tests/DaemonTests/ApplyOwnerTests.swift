import JSON
import Linux
import TestSupport
import Testing

/// Several owners at one program, and one owner's probes at one place.
@Suite(.requiresRoot) struct ApplyOwnerTests {
    private func program(_ pid: Int) throws -> String {
        let object = try Machine.run("base64", "-w0", Repository.object("hooks.bpf.o"))
        return """
            "programs":[{"name":"h","object":{"base64":"\(object)"},"globals":{"target_pid":\(pid)}}]
            """
    }

    private func entries(_ keys: [Int], _ value: Int, _ more: String = "") -> String {
        let list = keys.map { #"{"key":\#($0),"value":\#(value)}"# }.joined(separator: ",")
        return #""maps":[{"map":"h/counts","entries":[\#(list)]\#(more)}]"#
    }

    @Test(.needs(.tracepoint)) func `an owner's entries are not another's to take`() throws {
        let apiary = try TestDaemon()
        let first = try program(1)
        try apiary.curl("POST /v1/apply", json: #"{"owner":"a",\#(first),\#(entries([1], 11))}"#)
            .answers(200)
        try apiary.curl("POST /v1/apply", json: #"{"owner":"b",\#(entries([2], 22))}"#)
            .answers(200)

        // A program that is replaced has both owners' entries again, also what its own owner said
        // before and does not say now; they are there after a reboot.
        let second = #"{"owner":"a",\#(try program(2)),\#(entries([3], 33))}"#
        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: second).answers(200)
        let done = try apiary.curl("POST /v1/apply", json: second).answers(200)
        #expect(plan["/changes"] == done["/changes"])
        for key in 1...3 { #expect(try apiary.value("h/counts", key) == UInt64(key * 11)) }
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        for key in 1...3 { #expect(try apiary.value("h/counts", key) == UInt64(key * 11)) }

        // Neither with what else goes from a program.
        let nothing = #"{"owner":"a","prune":true}"#
        for query in ["", "?dry_run=true"] {
            try apiary.curl("POST /v1/apply\(query)", json: nothing)
                .answers(409, #"{"code":"conflict","owner":"b","step":"programs/h"}"#)
        }
        // Who prunes leaves the other's.
        let third = #"{"owner":"a","prune":true,\#(try program(3)),\#(entries([4], 44))}"#
        try apiary.curl("POST /v1/apply", json: third).answers(200)
        for (key, value) in [(1, 0), (2, 22), (3, 0), (4, 44)] as [(Int, UInt64)] {
            #expect(try apiary.value("h/counts", key) == value)
        }
        try apiary.curl("POST /v1/apply", json: third).answers(200, #"{"changed":false}"#)
        try apiary.curl("POST /v1/apply", json: #"{"owner":"b","prune":true}"#)
            .answers(200, #"{"counts":{"delete":1}}"#)
        #expect(try apiary.value("h/counts", 2) == 0)
        try apiary.curl("POST /v1/apply", json: nothing).answers(200)
        #expect(try apiary.curl("GET /v1/programs").names() == [])
    }

    @Test func `an exact map is refused where another declares entries of it`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        func manifest(_ owner: String, _ keys: [Int], _ more: String = "") -> String {
            let list = keys.map { #"{"key":\#($0),"value":1}"# }.joined(separator: ",")
            return """
                {"owner":"\(owner)","maps":[{"map":"v/many","entries":[\(list)]\(more)}]}
                """
        }
        let exact = #","exact":true"#
        try apiary.curl("POST /v1/apply", json: manifest("a", [1, 2])).answers(200)
        for query in ["", "?dry_run=true"] {
            try apiary.curl("POST /v1/apply\(query)", json: manifest("b", [3], exact))
                .answers(409, #"{"code":"conflict","owner":"a","pointer":"/maps/0/exact"}"#)
        }
        #expect(try apiary.value("v/many", 1) == 1)
        // His own go, and do not come back with a reboot.
        try apiary.curl("POST /v1/apply", json: manifest("a", [2], exact)).answers(200)
        apiary.stop()
        try apiary.loseTheKernel()
        try apiary.start()
        let left = try apiary.curl("GET /v1/maps/v/many/entries").answers(200)
        #expect(left["/items"] == [["key": 2, "value": 1]])
        try apiary.curl("POST /v1/apply", json: manifest("a", [2], exact))
            .answers(200, #"{"changed":false}"#)
    }

    /// The kernel takes a function once at a tracepoint.
    @Test(.needs(.tracepoint)) func `a probe takes the place that another gives up`() throws {
        let apiary = try TestDaemon()
        let program = try program(1)
        func manifest(_ probes: [(String, String)]) -> String {
            let list = probes.map { #"{"id":"\#($0.0)","program":"h","function":"\#($0.1)"}"# }
            return """
                {"owner":"a","prune":true,\(program),"probes":[\(list.joined(separator: ","))]}
                """
        }
        try apiary.curl("POST /v1/apply", json: manifest([("one", "on_tracepoint")])).answers(200)
        let link = try apiary.link("one")
        // The new one finds the place taken, and what fails after it gives it back.
        let broken = manifest([("two", "on_tracepoint"), ("three", "none")])
        try apiary.curl("POST /v1/apply", json: broken).answers(404, #"{"step":"probes/three"}"#)
        try apiary.curl("GET /v1/probes/one").answers(200, #"{"state":"attached"}"#)
        try apiary.isSound("after a place was given back")

        let moved = manifest([("two", "on_tracepoint"), ("one", "on_raw")])
        try apiary.curl("POST /v1/apply", json: moved).answers(200)
        try apiary.curl("GET /v1/probes/two")
            .answers(200, #"{"state":"attached","function":"on_tracepoint"}"#)
        try apiary.curl("GET /v1/probes/one")
            .answers(200, #"{"state":"attached","function":"on_raw"}"#)
        #expect(try apiary.link("two") != link)
        try apiary.curl("POST /v1/apply", json: moved).answers(200, #"{"changed":false}"#)
        // One that is pruned gives its place up too.
        try apiary.curl("POST /v1/apply", json: manifest([("four", "on_tracepoint")])).answers(200)
        #expect(try apiary.curl("GET /v1/probes").names("id") == ["four"])
        try apiary.isSound("after probes took others' places")
    }
}
