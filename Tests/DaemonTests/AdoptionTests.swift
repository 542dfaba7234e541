import JSON
import Linux
import TestSupport
import Testing

/// After `kill -9` and a new start everything is as it was, because the pins are.
@Suite(.requiresRoot) struct AdoptionTests {
    private let apiary: TestDaemon
    private let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
        try apiary.curl(
            "PUT /v1/programs/h?attach=auto&label=team=a"
                + "&global=target_pid=\(other.processIdentifier)&global=number=\(Workload.getpgid)",
            file: "hooks.bpf.o"
        ).answers(201)
    }

    /// What a client sees that must not change: everything but the counters.
    private func picture() throws -> [String: JSONValue] {
        var picture: [String: JSONValue] = [:]
        for list in ["programs", "probes", "objects"] {
            picture[list] = try apiary.curl("GET /v1/\(list)").answers(200).json
        }
        return picture
    }

    @Test(.needs(.uprobe)) func `a new start finds all as it was, and it counted meanwhile`() throws
    {
        try apiary.curl("PATCH /v1/probes/h.on_raw", json: #"{"enabled":false}"#).answers(200)
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        try apiary.curl("PUT /v1/maps/v/many/entries/1", json: #"{"value":7}"#).answers(201)
        let before = try picture()
        let pins = try apiary.pins
        try other.getpgid(1)
        apiary.kill9()
        try other.getpgid(2)
        try other.getppid(2)
        try apiary.start()
        try other.getpgid(4)
        #expect(try picture() == before)
        #expect(try apiary.pins == pins)
        #expect(try apiary.value("h/counts", 0) == 7)
        #expect(try apiary.value("h/counts", 1) == 0)
        #expect(try apiary.value("h/counts", 2) == 7)
        #expect(try apiary.value("h/counts", 3) == 2)
        #expect(try apiary.value("h/counts", 4) == 2)
        #expect(try apiary.value("v/many", 1) == 7)
    }

    @Test(.needs(.uprobe)) func `an adopted program takes probes, writes, patches and deletes`()
        throws
    {
        let again =
            "PUT /v1/programs/h?attach=auto&label=team=a"
            + "&global=target_pid=\(other.processIdentifier)&global=number=\(Workload.getpgid)"
        apiary.kill9()
        try apiary.start()
        try apiary.curl(again, file: "hooks.bpf.o").answers(200, #"{"changed":false}"#)
        try apiary.curl("POST /v1/probes", json: #"{"program":"h","function":"on_entry"}"#)
            .answers(201, #"{"id":"h.on_entry-2","state":"attached"}"#)
        try other.getppid(3)
        #expect(try apiary.value("h/counts", 3) == 6)
        try apiary.curl("PUT /v1/maps/h/counts/entries/3", json: #"{"value":100}"#).answers(200)
        try other.getppid(1)
        #expect(try apiary.value("h/counts", 3) == 102)
        let link = try apiary.link("h.on_tracepoint")
        try apiary.curl("PATCH /v1/probes/h.on_tracepoint", json: #"{"enabled":false}"#)
            .answers(200, #"{"state":"disabled"}"#)
        #expect(try !Machine.hasLink(link))
        try apiary.curl("GET /v1/programs/h/functions/on_raw").answers(200)
        let all = try apiary.curl("GET /v1/programs/h").answers(200)
        try apiary.curl("DELETE /v1/programs/h").answers(204)
        #expect(try apiary.pins == [])
        for function in all["/functions"]?.array ?? [] {
            let id = function["kernel_id"]?.int
            #expect(try !Machine.hasProgram(id))
        }
    }

    @Test(.needs(.tracepoint)) func `a link's pin that was removed meanwhile is made again`() throws
    {
        let link = try apiary.link("h.on_tracepoint")
        apiary.kill9()
        for pin in try apiary.pins {
            let shown = try Machine.bpftool("link", "show", "pinned", apiary.bpffs + "/" + pin)
            if shown?["id"]?.int == link { try FileSystem.unlink(apiary.bpffs + "/" + pin) }
        }
        #expect(try Machine.waits { try !Machine.hasLink(link) })
        try apiary.start()
        let back = try apiary.curl("GET /v1/probes/h.on_tracepoint")
            .answers(200, #"{"state":"attached"}"#)
        #expect(back["/link/kernel_id"]?.int != link)
        try other.getpgid(2)
        #expect(try apiary.value("h/counts", 0) == 2)
    }

    @Test(.needs(.uprobe)) func `after a reboot all is loaded and attached again`() throws {
        try apiary.curl("PATCH /v1/probes/h.on_raw", json: #"{"enabled":false}"#).answers(200)
        let before = try apiary.curl("GET /v1/programs/h").answers(200)
        apiary.kill9()
        // As after a boot: nothing is pinned, and the rows are of another one.
        try Machine.run("sh", "-c", "rm -r \(apiary.bpffs)/[lo]*")
        let registry = apiary.stateDirectory + "/registry.sqlite"
        let anotherBoot = "00000000-0000-0000-0000-000000000000"
        try Machine.run(
            "sqlite3", registry,
            "UPDATE programs SET boot_id='\(anotherBoot)';"
                + "UPDATE probes SET boot_id='\(anotherBoot)';"
        )
        try apiary.start()
        let after = try apiary.curl("GET /v1/programs/h").answers(
            200, #"{"state":"loaded","labels":{"team":"a"}}"#)
        #expect(after["/digest"] == before["/digest"])
        #expect(after["/globals"] == before["/globals"])
        #expect(after["/functions/0/kernel_id"] != before["/functions/0/kernel_id"])
        let states = try apiary.curl("GET /v1/probes").answers(200)["/items"]?.array ?? []
        #expect(states.count == 5)
        for probe in states {
            let isOff = probe["id"] == "h.on_raw"
            #expect(probe["state"] == (isOff ? "disabled" : "attached"), "\(probe.compact)")
        }
        try other.getpgid(3)
        #expect(try apiary.value("h/counts", 0) == 3)
    }

    @Test func `a program that cannot come back is failed, and says why`() throws {
        let digest = try apiary.curl("GET /v1/programs/h")["/digest"]?.string ?? ""
        apiary.kill9()
        try Machine.run("sh", "-c", "rm -r \(apiary.bpffs)/[lo]*")
        try FileSystem.unlink(apiary.stateDirectory + "/objects/" + digest.dropFirst(7))
        try apiary.start()
        let failed = try apiary.curl("GET /v1/programs/h").answers(
            200, #"{"state":"failed","loaded_at":null}"#)
        #expect(failed["/problem/detail"]?.string?.isEmpty == false)
        let probe = try apiary.curl("GET /v1/probes/h.on_entry")
            .answers(200, #"{"state":"failed","link":null}"#)
        #expect(probe["/problem/detail"]?.string?.isEmpty == false)
        #expect(try apiary.curl("GET /v1/programs?state=failed").names() == ["h"])
        #expect(try apiary.curl("GET /v1/probes?state=failed").names("id").count == 5)
        try apiary.curl(
            "PUT /v1/probes/more", json: #"{"program":"h","function":"on_entry"}"#
        ).answers(409, problem: .conflict)
        // The upload heals it.
        try apiary.curl(
            "PUT /v1/programs/h?attach=auto&global=target_pid=\(other.processIdentifier)"
                + "&global=number=\(Workload.getpgid)", file: "hooks.bpf.o"
        ).answers(200, #"{"state":"loaded","changed":true}"#)
        try other.getpgid(2)
        #expect(try apiary.value("h/counts", 0) == 2)
        #expect(try apiary.curl("GET /v1/probes?state=attached").names("id").count == 5)
    }
}
