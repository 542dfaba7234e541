import JSON
import Linux
import TestSupport
import Testing

/// Tokens for some programs only.
@Suite(.requiresRoot, .needs(.tracepoint)) struct ScopeTests {
    private let apiary: TestDaemon
    private let team: String
    private let labelled: String

    init() throws {
        let apiary = try TestDaemon()
        func make(_ json: String) throws -> String {
            let answer = try apiary.curl("POST /v1/tokens", json: json).answers(201)
            return "Authorization: Bearer \(answer["/token"]?.string ?? "")"
        }
        team = try make(#"{"name":"a","role":"admin","programs":["team-a.*"]}"#)
        labelled = try make(#"{"name":"l","role":"admin","labels":{"team":"l"}}"#)
        for (name, label) in [("team-a.one", "x"), ("team-b.one", "l")] {
            try apiary.curl(
                "PUT /v1/programs/\(name)?attach=auto&label=team=\(label)", file: "events.bpf.o"
            ).answers(201)
        }
        self.apiary = apiary
    }

    private func names(_ path: String, _ token: String, _ member: String) throws -> [String] {
        let answer = try apiary.curl("GET \(path)", token).answers(200)
        return Set((answer["/items"]?.array ?? []).compactMap { $0[member]?.string }).sorted()
    }

    @Test func `lists show what is in the scope`() throws {
        #expect(try names("/v1/programs", team, "name") == ["team-a.one"])
        #expect(try names("/v1/probes", team, "program") == ["team-a.one"])
        #expect(try names("/v1/maps", team, "program") == ["team-a.one"])
        #expect(try names("/v1/events/ledger", team, "program") == ["team-a.one"])
        #expect(try names("/v1/programs", labelled, "name") == ["team-b.one"])
        #expect(try names("/v1/probes", labelled, "program") == ["team-b.one"])
        #expect(try names("/v1/maps", labelled, "program") == ["team-b.one"])
        #expect(try names("/v1/programs", "Accept: */*", "name").count == 2)
    }

    @Test func `metrics name no program outside of it`() throws {
        let all = try apiary.curl("GET /metrics").answers(200).text
        #expect(all.contains("team-a.one") && all.contains("team-b.one"))
        let own = try apiary.curl("GET /metrics", team).answers(200).text
        #expect(own.contains(#"apiary_events_received_total{program="team-a.one""#))
        #expect(!own.contains("team-b.one"))
    }

    @Test func `single resources outside of it are closed`() throws {
        for request in [
            "GET /v1/programs/team-b.one", "GET /v1/maps/team-b.one/calls",
            "GET /v1/programs/team-b.one/globals", "GET /v1/programs/team-b.one/object",
            "DELETE /v1/programs/team-b.one", "GET /v1/events?program=team-b.one&follow=false",
            "DELETE /v1/probes?program=team-b.one",
        ] {
            try apiary.curl(request, team).answers(403, problem: .forbidden)
        }
        // What only a label tells is not even said to exist.
        try apiary.curl("GET /v1/programs/team-a.one", labelled).answers(404, problem: .notFound)
        let probes = try apiary.curl("GET /v1/probes?program=team-b.one").answers(200)
        let id = try #require(probes["/items/0/id"]?.string)
        try apiary.curl("GET /v1/probes/\(id)", team).answers(404, problem: .notFound)
        try apiary.curl("DELETE /v1/probes/\(id)", team).answers(404, problem: .notFound)
        try apiary.curl("GET /v1/probes/\(id)", labelled).answers(200)
        try apiary.curl(
            "POST /v1/probes", team, json: #"{"program":"team-b.one","function":"on_getpgid"}"#
        ).answers(403, problem: .forbidden)
        for request in ["GET /v1/tokens", "GET /v1/audit", "GET /v1/objects"] {
            try apiary.curl(request, team).answers(403, problem: .forbidden)
        }
        try apiary.curl("GET /v1/programs/team-a.one", team).answers(200)
        try apiary.curl("GET /v1/host", team).answers(200)
    }

    @Test func `what is outside of it is not told apart from what is not there`() throws {
        try apiary.curl("GET /v1/events/ledger?program=team-b.one", team)
            .answers(403, problem: .forbidden)
        try apiary.curl("GET /v1/events/ledger?program=team-b.none", team)
            .answers(403, problem: .forbidden)
        for name in ["team-a.one", "team-a.none"] {
            let answer = try apiary.curl("GET /v1/events/ledger?program=\(name)", labelled)
                .answers(404, problem: .notFound)
            #expect(answer["/detail"]?.string == "There is no program \(name).")
        }
        let object = try Machine.run("base64", "-w0", Repository.object("events.bpf.o"))
        func near(_ reuse: String, _ token: String) throws -> String {
            try apiary.curl(
                "PUT /v1/programs/l3?dry_run=true", token,
                json: """
                    {"object":{"base64":"\(object)"},"labels":{"team":"l"},
                     "maps":{"events":{"reuse":"\(reuse)"}}}
                    """
            ).answers(400, problem: .invalidMember)["/hint"]?.string ?? ""
        }
        #expect(try near("team-a.on/events", labelled) == "Near it: team-b.one.")
        #expect(try near("team-a.on/events", "Accept: */*").contains("team-a.one"))
    }

    @Test func `who holds a place is told to those who may see it`() throws {
        let network = try NetworkRig()
        for name in ["team-a.slots", "team-b.slots"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "slots.bpf.o").answers(201)
        }
        func attach(_ program: String, _ token: String) throws -> Answer {
            try apiary.curl(
                "POST /v1/probes", token,
                json: """
                    {"program":"\(program)","function":"second",
                     "attach":{"kind":"xdp","interface":"lo","netns":"\(network.name)"}}
                    """)
        }
        let all = "Accept: */*"
        try attach("team-b.slots", all).answers(201)
        let busy = try attach("team-a.slots", team).answers(409, problem: .attachBusy)
        #expect(!busy.text.contains("team-b"), "\(busy)")
        #expect(busy["/holder_id"] != nil)
        try attach("team-a.slots", all)
            .answers(409, #"{"holder_probe":"team-b.slots.second"}"#)
        func beside(_ probe: String) throws -> Answer {
            try apiary.curl(
                "POST /v1/probes", team,
                json: """
                    {"program":"team-a.slots","function":"of_another_type",
                     "attach":{"kind":"tcx","interface":"lo","direction":"ingress",
                               "before":"\(probe)","netns":"\(network.name)"}}
                    """
            ).answers(422, problem: .targetNotFound)
        }
        for probe in ["team-b.slots.second", "team-b.slots.secon"] {
            let refused = try beside(probe)
            #expect(refused["/hint"] == nil, "\(refused)")
        }
    }

    @Test func `slots take no program of another team`() throws {
        for name in ["team-a.slots", "team-b.slots"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "slots.bpf.o").answers(201)
        }
        let other = try apiary.curl("GET /v1/programs/team-b.slots/functions/on_device")
            .answers(200)
        let id = other["/kernel_id"]?.int ?? 0
        let slot = "/v1/maps/team-a.slots/devices/entries/0"
        let value = #"{"value":{"ifindex":1,"bpf_prog":{"id":\#(id)}}}"#
        try apiary.curl("PUT \(slot)", team, json: value).answers(403, problem: .forbidden)
        try apiary.curl(
            "POST /v1/maps/team-a.slots/devices/batch", team,
            json: #"{"update":[{"key":0,"value":{"ifindex":1,"bpf_prog":{"id":\#(id)}}}]}"#
        ).answers(403, problem: .forbidden)
        try apiary.curl("GET \(slot)", team).answers(404)
        try apiary.curl("PUT \(slot)", json: value).answers(201)
    }

    @Test func `a change cannot leave the scope`() throws {
        try apiary.curl("PUT /v1/programs/other", team, file: "events.bpf.o")
            .answers(403, problem: .forbidden)
        try apiary.curl("PUT /v1/programs/team-a.two", team, file: "events.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/l2", labelled, file: "events.bpf.o")
            .answers(403, problem: .forbidden)
        try apiary.curl("PUT /v1/programs/l2?label=team=l", labelled, file: "events.bpf.o")
            .answers(201)
        try apiary.curl(
            "PATCH /v1/programs/team-b.one", labelled, json: #"{"labels":{"team":"x"}}"#
        ).answers(403, problem: .forbidden)
        try apiary.curl(
            "PATCH /v1/programs/team-b.one", labelled, json: #"{"labels":{"more":"x"}}"#
        ).answers(200)
    }

    @Test func `streams carry the scope's events only`() throws {
        let other = try Workload()
        for name in ["team-a.live", "team-b.live"] {
            try apiary.curl(
                "PUT /v1/programs/\(name)?attach=auto&global=target_pid="
                    + "\(other.processIdentifier)", file: "events.bpf.o"
            ).answers(201)
        }
        let stream = try apiary.stream("GET /v1/events", team)
        _ = try stream.next(kind: "hello")
        try other.getpgid(3)
        let events = try stream.next(3)
        let programs = events.compactMap { $0["program"]?.string }
        #expect(programs.allSatisfy { $0.hasPrefix("team-a.") }, "\(programs)")
        let rest = try apiary.curl("GET /v1/events?follow=false&since=oldest", team).answers(200)
        #expect(!rest.text.contains("team-b.live"))
    }
}
