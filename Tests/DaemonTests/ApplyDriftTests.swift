import JSON
import Linux
import TestSupport
import Testing

/// What was changed by hand since a manifest was applied: told by the plan, in the state, set back.
@Suite(.requiresRoot) struct ApplyDriftTests {
    private func digest(_ apiary: TestDaemon, _ object: String) throws -> String {
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: object)
        let digest = try #require(kept["/digest"]?.string)
        try apiary.curl("DELETE /v1/programs/keeper").answers(204)
        return digest
    }

    @Test(.needs(.tracepoint)) func `variables that were set otherwise are set back in place`()
        throws
    {
        let apiary = try TestDaemon()
        let object = try digest(apiary, "globals.bpf.o")
        func manifest(_ globals: String) -> String {
            """
            {"owner":"a","programs":[{"name":"g","object":{"digest":"\(object)"},
              "globals":{\(globals)}}],"probes":[{"id":"use","program":"g","function":"use"}]}
            """
        }
        let text = manifest(#""target_pid":7,"threshold":9"#)
        try apiary.curl("POST /v1/apply", json: text).answers(200)
        let link = try apiary.link("use")
        let pins = try apiary.pins
        try apiary.curl("PATCH /v1/programs/g/globals", json: #"{"threshold":1,"offsets":[3,2,1]}"#)
            .answers(200)

        // What the state tells is what is there: applied at once it changes nothing, and elsewhere
        // it makes the same.
        let state = try apiary.curl("GET /v1/state?owner=a").answers(
            200,
            #"{"programs":[{"globals":{"target_pid":7,"threshold":1,"offsets":[3,2,1]}}]}"#)
        try apiary.curl("POST /v1/apply", json: state.text).answers(200, #"{"changed":false}"#)

        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: text)
            .answers(200, #"{"counts":{"replace":1,"none":1}}"#)
        #expect(
            plan["/changes/0/diff"] == [["pointer": "/globals/threshold", "before": 1, "after": 9]])
        #expect(try apiary.global("g", "threshold") == 1)
        try apiary.curl("POST /v1/apply", json: text)
            .answers(200, #"{"changed":true,"counts":{"replace":1,"none":1}}"#)
        #expect(try apiary.global("g", "threshold") == 9)
        // The manifest says nothing of it.
        #expect(try apiary.global("g", "offsets")?.compact == "[3,2,1]")
        #expect(try apiary.link("use") == link)
        #expect(try apiary.pins == pins)
        try apiary.curl("POST /v1/apply", json: text).answers(200, #"{"changed":false}"#)

        // What is wrong is refused before anything is.
        try apiary.curl("PATCH /v1/programs/g/globals", json: #"{"threshold":2}"#).answers(200)
        let wrong = manifest(#""target_pid":7,"threshold":"many""#)
        for query in ["", "?dry_run=true"] {
            try apiary.curl("POST /v1/apply\(query)", json: wrong).answers(
                422, #"{"code":"invalid_value","pointer":"/programs/0/globals/threshold"}"#)
        }
        #expect(try apiary.global("g", "threshold") == 2)
        // It survives a crash and a reboot as every variable does.
        try apiary.curl("POST /v1/apply", json: text).answers(200, #"{"changed":true}"#)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try apiary.global("g", "threshold") == 9)
        try apiary.curl("POST /v1/apply", json: text).answers(200, #"{"changed":false}"#)

        try apiary.curl("DELETE /v1/programs/g").answers(204)
        try apiary.curl("POST /v1/apply", json: state.text).answers(200, #"{"changed":true}"#)
        #expect(try apiary.global("g", "threshold") == 1)
        #expect(try apiary.global("g", "offsets")?.compact == "[3,2,1]")
        try apiary.isSound("after variables were set back")
    }

    @Test(.needs(.tracepoint)) func `entries go from a map that a new load keeps`() throws {
        let apiary = try TestDaemon()
        let object = try digest(apiary, "hooks.bpf.o")
        func manifest(_ pid: Int, _ keys: [Int]) -> String {
            let entries = keys.map { #"{"key":\#($0),"value":44}"# }.joined(separator: ",")
            return """
                {"owner":"a","prune":true,"programs":[{"name":"h","object":{"digest":"\(object)"},
                  "globals":{"target_pid":\(pid)},"maps":{"counts":{"reuse":"keep"}}}],
                 "maps":[{"map":"h/counts","entries":[\(entries)]}]}
                """
        }
        try apiary.curl("POST /v1/apply", json: manifest(1, [4, 3])).answers(200)
        try apiary.curl("PUT /v1/maps/h/counts/entries/2", json: #"{"value":1}"#)
        // A step that fails leaves the map as it was.
        let broken = #","probes":[{"program":"h","function":"none"}]}"#
        try apiary.curl("POST /v1/apply", json: String(manifest(2, [3]).dropLast()) + broken)
            .answers(404, #"{"step":"probes/h.none"}"#)
        #expect(try apiary.value("h/counts", 4) == 44)
        let done = try apiary.curl("POST /v1/apply", json: manifest(2, [3])).answers(200)
        #expect(done["/changes"]?.array?.last?["action"] == "delete")
        #expect(try apiary.value("h/counts", 4) == 0)
        #expect(try apiary.value("h/counts", 3) == 44)
        #expect(try apiary.value("h/counts", 2) == 1)
        try apiary.curl("POST /v1/apply", json: manifest(2, [3]))
            .answers(200, #"{"changed":false}"#)
    }

    @Test func `the same entries in other words are no change`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        func manifest(_ value: String) -> String {
            #"{"owner":"a","maps":[{"map":"v/many","entries":[{"key":1,"value":\#(value)}]}]}"#
        }
        try apiary.curl("POST /v1/apply", json: manifest(#""hex:1000000000000000""#)).answers(200)
        try apiary.curl("POST /v1/apply", json: manifest("16"))
            .answers(200, #"{"changed":false,"counts":{"none":1}}"#)
        let state = try apiary.curl("GET /v1/state?owner=a").answers(200)
        #expect(state["/maps/0/entries"] == [["key": 1, "value": 16]])
        try apiary.curl("POST /v1/apply", json: state.text).answers(200, #"{"changed":false}"#)
        // Declared is what the manifest says, though it is there already.
        try apiary.curl("PUT /v1/maps/v/many/entries/1", json: #"{"value":17}"#).answers(200)
        try apiary.curl("POST /v1/apply", json: manifest("17"))
            .answers(200, #"{"changed":true,"counts":{"none":1}}"#)
    }
}
