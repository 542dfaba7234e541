import JSON
import Linux
import TestSupport
import Testing

/// Declared state: what a manifest makes, and that it makes all of it or nothing.
@Suite(.requiresRoot) struct ApplyTests {
    private func base64(_ object: String) throws -> String {
        try Machine.run("base64", "-w0", Repository.object(object))
    }

    /// Keeps an object and gives its digest.
    private func keep(_ apiary: TestDaemon, _ object: String) throws -> String {
        let digest =
            "sha256:" + (try Machine.run("sha256sum", Repository.object(object)).prefix(64))
        let answer = try apiary.curl("PUT /v1/objects/\(digest)", file: object)
        #expect([200, 201].contains(answer.status))
        return digest
    }

    private func actions(_ answer: Answer) -> [String] {
        (answer["/changes"]?.array ?? []).map { change in
            [change["action"], change["kind"], change["name"]].map { $0?.string ?? "?" }
                .joined(separator: " ")
        }
    }

    private func manifest(_ digest: String, pid: Int32, more: String = "") -> String {
        """
        {"owner":"team-a","prune":true,
         "programs":[{"name":"hooks","object":{"digest":"\(digest)"},
           "globals":{"target_pid":\(pid)},"labels":{"team":"a"}}],
         "probes":[{"id":"calls","program":"hooks","function":"on_tracepoint"}\(more)],
         "maps":[{"map":"hooks/counts","entries":[{"key":4,"value":44}]}]}
        """
    }

    @Test(.needs(.tracepoint)) func `a manifest makes it all, and again changes nothing`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        let text = manifest(try keep(apiary, "hooks.bpf.o"), pid: other.processIdentifier)

        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: text).answers(
            200, #"{"applied":false,"dry_run":true,"changed":true,"counts":{"create":3}}"#)
        #expect(
            actions(plan)
                == ["create program hooks", "create map hooks/counts", "create probe calls"])
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try apiary.pins == [])

        let made = try apiary.curl("POST /v1/apply", json: text)
            .answers(200, #"{"applied":true,"changed":true}"#)
        #expect(actions(made) == actions(plan))
        let program = try apiary.curl("GET /v1/programs/hooks")
            .answers(200, #"{"owner":"team-a","labels":{"team":"a"},"state":"loaded"}"#)
        let link = try apiary.link("calls")
        try other.getpgid(3)
        #expect(try apiary.value("hooks/counts", 0) == 3)
        #expect(try apiary.value("hooks/counts", 4) == 44)
        let pins = try apiary.pins

        let again = try apiary.curl("POST /v1/apply", json: text).answers(
            200, #"{"changed":false,"counts":{"create":0,"replace":0,"delete":0,"none":3}}"#)
        #expect(
            actions(again) == ["none program hooks", "none map hooks/counts", "none probe calls"])
        #expect(again["/revision"] == made["/revision"])
        #expect(try apiary.link("calls") == link)
        #expect(try apiary.pins == pins)
        #expect(try apiary.curl("GET /v1/programs/hooks").json == program.json)

        try apiary.restart()
        try apiary.curl("POST /v1/apply", json: text).answers(200, #"{"changed":false}"#)
        #expect(try apiary.link("calls") == link)
        let audit = try apiary.curl("GET /v1/audit?action=post_apply").answers(200)
        #expect(audit["/items/0/subject"] == "apply/team-a")
        #expect(Set(audit.names("subject")).contains("probes/calls"))
    }

    @Test(.needs(.tracepoint)) func `the plan tells each member that differs, and prune what goes`()
        throws
    {
        let apiary = try TestDaemon()
        let digest = try keep(apiary, "hooks.bpf.o")
        let raw = #",{"id":"raw","program":"hooks","function":"on_raw","labels":{"x":"1"}}"#
        try apiary.curl("POST /v1/apply", json: manifest(digest, pid: 1, more: raw)).answers(200)
        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: manifest(digest, pid: 2))
            .answers(200)
        #expect(
            actions(plan) == [
                "replace program hooks", "create map hooks/counts", "replace probe calls",
                "delete probe raw",
            ])
        #expect(
            plan["/changes/0/diff/0"]
                == ["pointer": "/globals/target_pid", "before": 1, "after": 2])
        // Without prune what is not declared any more stays.
        let unpruned = manifest(digest, pid: 1).replacing(#""prune":true,"#, with: "")
        try apiary.curl("POST /v1/apply", json: unpruned).answers(200, #"{"changed":false}"#)
        try apiary.curl("GET /v1/probes/raw").answers(200, #"{"state":"attached"}"#)
        // Labels alone touch no link.
        let link = try apiary.link("raw")
        let relabelled = raw.replacing(#""x":"1""#, with: #""x":"2""#)
        let labels = try apiary.curl(
            "POST /v1/apply", json: manifest(digest, pid: 1, more: relabelled)
        ).answers(200, #"{"counts":{"replace":1,"none":3}}"#)
        #expect(
            labels["/changes/3/diff"] == [["pointer": "/labels/x", "before": "1", "after": "2"]])
        #expect(try apiary.link("raw") == link)
        let pruned = try apiary.curl("POST /v1/apply", json: manifest(digest, pid: 1)).answers(200)
        #expect(actions(pruned).last == "delete probe raw")
        try apiary.curl("GET /v1/probes/raw").answers(404, problem: .notFound)
        let empty = #"{"owner":"team-a","prune":true}"#
        let gone = try apiary.curl("POST /v1/apply", json: empty).answers(200)
        #expect(actions(gone) == ["delete probe calls", "delete program hooks"])
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try apiary.pins == [])
        try apiary.curl("POST /v1/apply", json: empty)
            .answers(200, #"{"changed":false,"changes":[]}"#)
    }

    @Test(.needs(.tracepoint)) func `a step that fails leaves what was, and is named`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        let pid = other.processIdentifier
        let hooks = try keep(apiary, "hooks.bpf.o")
        try apiary.curl("POST /v1/apply", json: manifest(hooks, pid: pid)).answers(200)
        try other.getpgid(2)
        let program = try apiary.curl("GET /v1/programs/hooks").answers(200)
        let link = try apiary.link("calls")
        let pins = try apiary.pins

        // The program is replaced, another is made, an entry is written; then a probe is wrong.
        let bad = """
            {"owner":"team-a","prune":true,
             "programs":[{"name":"hooks","object":{"base64":"\(try base64("hooks_next.bpf.o"))"},
               "globals":{"target_pid":\(pid)}},
              {"name":"more","object":{"digest":"\(hooks)"}}],
             "probes":[{"id":"calls","program":"hooks","function":"on_tracepoint"},
              {"id":"new","program":"more","function":"on_raw"},
              {"id":"wrong","program":"more","function":"on_tracepoint",
               "attach":{"kind":"tracepoint","category":"syscalls","name":"sys_enter_nosuch"}}]}
            """
        for query in ["?dry_run=true", ""] {
            let refused = try apiary.curl("POST /v1/apply\(query)", json: bad)
                .answers(422, problem: .targetNotFound)
            #expect(refused["/step"] == "probes/wrong")
            #expect(refused["/pointer"] == "/probes/2/attach/name")
            if query.isEmpty {
                #expect(
                    refused["/undone"] == [
                        "programs/hooks", "programs/more", "probes/calls", "probes/new",
                    ])
            }
            #expect(try apiary.curl("GET /v1/programs").names() == ["hooks"])
            #expect(try apiary.curl("GET /v1/programs/hooks").json == program.json)
            #expect(try apiary.link("calls") == link)
            #expect(try apiary.pins == pins)
            #expect(try apiary.value("hooks/counts", 4) == 44)
        }
        try other.getpgid(1)
        #expect(try apiary.value("hooks/counts", 0) == 3)

        // The same for entries of a map that stays: a key that does not fit comes last.
        let entries = manifest(hooks, pid: pid).replacing(
            #"{"key":4,"value":44}"#,
            with: #"{"key":4,"value":45},{"key":1,"value":1},{"key":99,"value":1}"#)
        let refused = try apiary.curl("POST /v1/apply", json: entries).answers(422)
        #expect(refused["/pointer"] == "/maps/0/entries/2/key")
        #expect(try apiary.value("hooks/counts", 4) == 44)
        #expect(try apiary.value("hooks/counts", 1) == 0)
        // And where a later step fails, after the entries were written.
        let late = entries.replacing(#",{"key":99,"value":1}"#, with: "").replacing(
            #""function":"on_tracepoint"}"#,
            with: #""function":"on_tracepoint"},{"program":"hooks","function":"nosuch"}"#)
        try apiary.curl("POST /v1/apply", json: late).answers(404, problem: .notFound)
        #expect(try apiary.value("hooks/counts", 4) == 44)
        #expect(try apiary.value("hooks/counts", 1) == 0)
        try apiary.curl("POST /v1/apply", json: manifest(hooks, pid: pid))
            .answers(200, #"{"changed":false}"#)
        let audit = try apiary.curl("GET /v1/audit?subject=apply/team-a").answers(200)
        #expect(audit["/items"]?.array?.contains { $0["outcome"] == "target_not_found" } == true)
    }

    @Test(.needs(.tracepoint)) func `what another owner declares is refused with his name`() throws
    {
        let apiary = try TestDaemon()
        let hooks = try keep(apiary, "hooks.bpf.o")
        // What nobody declared is taken over, and its link stays.
        try apiary.curl("PUT /v1/programs/hooks?global=target_pid=1", file: "hooks.bpf.o")
            .answers(201, #"{"owner":null}"#)
        try apiary.curl(
            "PUT /v1/probes/calls", json: #"{"program":"hooks","function":"on_tracepoint"}"#
        ).answers(201)
        let link = try apiary.link("calls")
        let mine = manifest(hooks, pid: 1)
        let taken = try apiary.curl("POST /v1/apply", json: mine).answers(200)
        #expect(
            taken["/changes/2/diff"] == [["pointer": "/owner", "before": nil, "after": "team-a"]])
        #expect(try apiary.link("calls") == link)
        let his = mine.replacing("team-a", with: "team-b")
        let refused = try apiary.curl("POST /v1/apply", json: his).answers(409, problem: .conflict)
        #expect(refused["/owner"] == "team-a")
        #expect(refused["/pointer"] == "/programs/0/name")
        let probe =
            #"{"owner":"team-b","probes":[{"id":"calls","program":"hooks","function":"on_raw"}]}"#
        try apiary.curl("POST /v1/apply", json: probe).answers(409, #"{"owner":"team-a"}"#)
        let entry =
            #"{"owner":"team-b","maps":[{"map":"hooks/counts","entries":[{"key":4,"value":1}]}]}"#
        try apiary.curl("POST /v1/apply", json: entry).answers(409, #"{"owner":"team-a"}"#)
        // A probe of his own on my program he may have; then I cannot let the program go.
        let own = #"{"owner":"team-b","probes":[{"id":"b","program":"hooks","function":"on_raw"}]}"#
        try apiary.curl("POST /v1/apply", json: own).answers(200)
        try apiary.curl("POST /v1/apply", json: #"{"owner":"team-a","prune":true}"#)
            .answers(409, #"{"owner":"team-b"}"#)
        try apiary.curl("GET /v1/programs/hooks").answers(200)
        // Deleted by hand, it is nobody's.
        try apiary.curl("DELETE /v1/programs/hooks").answers(204)
        try apiary.curl("POST /v1/apply", json: his).answers(200)
        try apiary.curl("GET /v1/programs/hooks").answers(200, #"{"owner":"team-b"}"#)
    }

    @Test func `a plan's ETag holds the apply to what was planned`() throws {
        let apiary = try TestDaemon()
        let text = #"{"owner":"a","programs":[]}"#
        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: text).answers(200)
        let tag = try #require(plan.etag)
        try apiary.curl("POST /v1/apply", "If-Match: \(tag)", json: text).answers(200)
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
        try apiary.curl("POST /v1/apply", "If-Match: \(tag)", json: text)
            .answers(412, problem: .preconditionFailed)
        // Deleting what is not there is fine where that is asked for, in whatever is not there.
        try apiary.curl("DELETE /v1/maps/none/m/entries/1?missing_ok=true").answers(204)
        try apiary.curl("DELETE /v1/maps/none/m/entries/1").answers(404, problem: .notFound)
    }

    @Test(.needs(.tracepoint)) func `what somebody changes by hand is brought back`() throws {
        let apiary = try TestDaemon()
        let text = manifest(try keep(apiary, "hooks.bpf.o"), pid: 1)
        try apiary.curl("POST /v1/apply", json: text).answers(200)
        try apiary.curl("PUT /v1/maps/hooks/counts/entries/4", json: #"{"value":5}"#).answers(200)
        try apiary.curl("PATCH /v1/probes/calls", json: #"{"enabled":false}"#).answers(200)
        let plan = try apiary.curl("POST /v1/apply?dry_run=true", json: text).answers(200)
        #expect(
            plan["/changes/1/diff"] == [["pointer": "/entries/4", "before": 5, "after": 44]])
        #expect(
            plan["/changes/2/diff"] == [["pointer": "/enabled", "before": false, "after": true]])
        try apiary.curl("POST /v1/apply", json: text)
            .answers(200, #"{"counts":{"replace":2,"none":1}}"#)
        #expect(try apiary.value("hooks/counts", 4) == 44)
        try apiary.curl("GET /v1/probes/calls").answers(200, #"{"state":"attached"}"#)
        try apiary.curl("DELETE /v1/probes/calls").answers(204)
        let made = try apiary.curl("POST /v1/apply", json: text).answers(200)
        #expect(actions(made).last == "create probe calls")
    }

    @Test(.needs(.tracepoint)) func `the state is a manifest that makes the same`() throws {
        let apiary = try TestDaemon()
        let hooks = try keep(apiary, "hooks.bpf.o")
        let more = """
            ,{"id":"off","program":"hooks","function":"on_raw","enabled":false,"labels":{"a":"b"}}
            """
        try apiary.curl("POST /v1/apply", json: manifest(hooks, pid: 7, more: more)).answers(200)
        try apiary.curl("PUT /v1/programs/other?attach=auto&label=x=y", file: "counter.bpf.o")
            .answers(201)
        let state = try apiary.curl("GET /v1/state?owner=team-a").answers(200)
        #expect(state["/programs"]?.array?.count == 1)
        #expect(state["/maps/0/entries"] == [["key": 4, "value": 44]])
        try apiary.curl("POST /v1/apply", json: state.text).answers(200, #"{"changed":false}"#)
        let whole = try apiary.curl("GET /v1/state").answers(200)
        #expect(whole["/programs"]?.array?.count == 2)
        #expect(whole["/owner"] == nil)
        try apiary.curl("POST /v1/apply", json: whole.text).answers(400, problem: .invalidMember)
        try apiary.curl("DELETE /v1/programs/hooks").answers(204)
        try apiary.curl("DELETE /v1/programs/other").answers(204)
        try apiary.curl("POST /v1/apply?owner=team-a", json: whole.text).answers(200)
        let after = try apiary.curl("GET /v1/state").answers(200)
        #expect(after.json == whole.json)
        try apiary.curl("GET /v1/probes/off")
            .answers(200, #"{"state":"disabled","labels":{"a":"b"}}"#)
        try apiary.curl("GET /v1/probes?program=other").answers(
            200, #"{"items":[{"state":"attached"}]}"#)
        try apiary.curl("GET /v1/state?owner=nobody")
            .answers(200, #"{"owner":"nobody","programs":[],"probes":[],"maps":[]}"#)
        try apiary.curl("GET /v1/state?contents=some").answers(400, problem: .invalidParameter)
        let all = try apiary.curl("GET /v1/state?contents=all").answers(200)
        #expect(all["/maps"]?.array?.contains { $0["map"] == "hooks/counts" } == true)
    }

    @Test(.needs(.tracepoint)) func `YAML says the same as JSON`() throws {
        let apiary = try TestDaemon()
        let hooks = try keep(apiary, "hooks.bpf.o")
        let yaml = """
            # What team A wants.
            owner: team-a
            prune: true
            programs:
              - name: hooks
                object: {digest: "\(hooks)"}
                globals: &globals {target_pid: 0x7}
                labels: {team: a}
            probes:
              - {id: calls, program: hooks, function: on_tracepoint}
            maps:
              - map: hooks/counts
                entries:
                  - {key: 4, value: 44}
            """
        let type = "Content-Type: application/yaml"
        try apiary.curl("POST /v1/apply", type, json: yaml).answers(200, #"{"changed":true}"#)
        try apiary.curl("POST /v1/apply", json: manifest(hooks, pid: 7))
            .answers(200, #"{"changed":false}"#)
        let second = try apiary.curl("POST /v1/apply", type, json: yaml + "\n---\nowner: b\n")
            .answers(400, problem: .malformedYAML)
        #expect(second["/detail"]?.string?.contains("line") == true)
        for bad in ["owner: [", "- a\n", "owner: a\nowner: b\n", "a: &a [*a]\n", "\u{1}"] {
            try apiary.curl("POST /v1/apply", type, json: bad).answers(400, problem: .malformedYAML)
        }
        let bomb =
            "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            + (1...9).map { number in
                let aliases = [String](repeating: "*a\(number - 1)", count: 10)
                return "a\(number): &a\(number) [\(aliases.joined(separator: ","))]"
            }.joined(separator: "\n")
        let blown = try apiary.curl("POST /v1/apply", type, json: bomb)
            .answers(400, problem: .malformedYAML)
        #expect(blown["/detail"]?.string?.contains("1000000 values") == true)
        let deep = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        try apiary.curl("POST /v1/apply", type, json: deep).answers(400, problem: .malformedYAML)
        try apiary.curl("POST /v1/apply", "Content-Type: text/plain", json: "owner: a")
            .answers(415, problem: .unsupportedMediaType)
    }

    @Test func `a manifest that is wrong is refused with the place`() throws {
        let apiary = try TestDaemon()
        let hooks = try keep(apiary, "hooks.bpf.o")
        let program = #"{"name":"p","object":{"digest":"\#(hooks)"}}"#
        let cases: [(json: String, status: Int, code: String, pointer: String?)] = [
            ("{}", 400, "invalid_member", "/owner"),
            (#"{"owner":"a b"}"#, 400, "invalid_name", nil),
            (#"{"owner":"a","program":[]}"#, 400, "unknown_member", "/program"),
            (#"{"owner":"a","programs":{}}"#, 400, "invalid_member", "/programs"),
            (#"{"owner":"a","programs":[1]}"#, 400, "invalid_member", "/programs/0"),
            (#"{"owner":"a","programs":[{}]}"#, 400, "invalid_member", "/programs/0/name"),
            (
                #"{"owner":"a","programs":[{"name":"p"}]}"#, 400, "invalid_member",
                "/programs/0/object"
            ),
            (
                #"{"owner":"a","programs":[\#(program),\#(program)]}"#, 400, "invalid_member",
                "/programs/1/name"
            ),
            (
                #"{"owner":"a","programs":[{"name":"p","object":{"path":"x.o"}}]}"#, 400,
                "invalid_member", "/programs/0/object/path"
            ),
            (
                #"{"owner":"a","programs":[{"name":"p","objekt":{}}]}"#, 400, "unknown_member",
                "/programs/0/objekt"
            ),
            (
                #"{"owner":"a","programs":[{"name":"p","object":{"digest":"\#(hooks)"},"globals":{"nosuch":1}}]}"#,
                422, "invalid_value", "/programs/0/globals/nosuch"
            ),
            (
                #"{"owner":"a","probes":[{"program":"p","function":"f"}]}"#, 404, "not_found",
                "/probes/0/program"
            ),
            (
                #"{"owner":"a","programs":[\#(program)],"probes":[{"program":"p","function":"on_rav"}]}"#,
                404, "not_found", "/probes/0/function"
            ),
            (#"{"owner":"a","maps":[{"map":"p"}]}"#, 400, "invalid_member", "/maps/0/map"),
            (
                #"{"owner":"a","programs":[\#(program)],"maps":[{"map":"p/count","entries":[]}]}"#,
                404, "not_found", "/maps/0/map"
            ),
            (
                #"{"owner":"a","programs":[\#(program)],"maps":[{"map":"p/counts","entries":[{"key":1,"value":1},{"key":1,"value":2}]}]}"#,
                400, "invalid_member", "/maps/0/entries/1/key"
            ),
            (
                #"{"owner":"a","programs":[\#(program)],"maps":[{"map":"p/counts","entries":[{"key":1,"value":"x"}]}]}"#,
                422, "invalid_value", "/maps/0/entries/0/value"
            ),
        ]
        for (json, status, code, pointer) in cases {
            for query in ["?dry_run=true", ""] {
                let answer = try apiary.curl("POST /v1/apply\(query)", json: json)
                    .answers(status, problem: code)
                if let pointer { #expect(answer["/pointer"]?.string == pointer, "\(json)") }
            }
        }
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try apiary.pins == [])
        try apiary.curl("POST /v1/apply?owner=x&dryrun=true", json: "{}")
            .answers(400, problem: .unknownParameter)
    }
}
