import JSON
import Linux
import TestSupport
import Testing

/// A reboot, as far as it can be had without one: no pins, rows of another boot. (A real one in a
/// guest is `scripts/test-reboot.sh`.)
@Suite(.requiresRoot) struct FaultRebootTests {
    private func program(_ apiary: TestDaemon, _ maps: String) throws -> Answer {
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "values.bpf.o")
        let digest = kept["/digest"]?.string ?? ""
        return try apiary.curl(
            "PUT /v1/programs/v", json: #"{"object":{"digest":"\#(digest)"},"maps":{\#(maps)}}"#)
    }

    private func entries(_ apiary: TestDaemon, _ map: String) throws -> Int {
        try apiary.curl("GET /v1/maps/\(map)/entries?limit=1000").answers(200)["/items"]?.array?
            .count ?? -1
    }

    @Test(.needs(.tracepoint)) func `a persistent map has its contents again, another has not`()
        throws
    {
        let apiary = try TestDaemon()
        try program(apiary, #""many":{"persist":true,"max_entries":512}"#).answers(201)
        for key in 0..<200 {
            let value = #"{"value":\#(key * 1_000_000_007)}"#
            try apiary.curl("PUT /v1/maps/v/many/entries/\(key)", json: value).answers(201)
        }
        try apiary.curl("PUT /v1/maps/v/names/entries/\"tcp\"", json: #"{"value":6}"#).answers(201)
        // A restart alone leaves the maps as they are.
        try apiary.restart()
        #expect(try entries(apiary, "v/many") == 200)
        apiary.stop()
        try apiary.loseTheKernel()
        try apiary.start()
        try apiary.curl("GET /v1/programs/v").answers(200, #"{"state":"loaded"}"#)
        #expect(try entries(apiary, "v/many") == 200)
        #expect(try apiary.value("v/many", 199) == 199 * 1_000_000_007)
        #expect(try entries(apiary, "v/names") == 0)
        let map = try apiary.curl("GET /v1/maps/v/many").answers(200)
        #expect(map["/max_entries"]?.int == 512)
        try apiary.isSound("after a reboot")
        // A deleted program's files go.
        try apiary.curl("DELETE /v1/programs/v").answers(204)
        try apiary.restart()
        #expect(try FileSystem.list(apiary.stateDirectory + "/snapshots") == [])
        FaultReport.line("a reboot with a persistent map", 1, "200 entries and options as before")
    }

    @Test(.needs(.tracepoint))
    func `a persistent map is kept every so often, not only at the stop`()
        throws
    {
        let apiary = try TestDaemon(arguments: ["--set", "snapshot_interval_s=1"])
        try program(apiary, #""many":{"persist":true},"row":{"persist":true}"#).answers(201)
        for key in 0..<3 {
            try apiary.curl("PUT /v1/maps/v/many/entries/\(key)", json: #"{"value":9}"#)
                .answers(201)
        }
        try apiary.curl("PUT /v1/maps/v/row/entries/2", json: #"{"value":5}"#).answers(200)
        let registry = apiary.stateDirectory + "/registry.sqlite"
        let query = "SELECT entries FROM snapshots WHERE map = 'many'"
        #expect(
            try Machine.waits(seconds: 30) {
                try Machine.run("sqlite3", "-readonly", registry, query) == "3\n"
            })
        Clock.sleep(nanoseconds: 1_500_000_000)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try apiary.value("v/many", 2) == 9)
        #expect(try apiary.value("v/row", 2) == 5)
        // A broken file is no reason not to load.
        apiary.stop()
        try apiary.loseTheKernel()
        for file in try FileSystem.list(apiary.stateDirectory + "/snapshots") {
            let path = apiary.stateDirectory + "/snapshots/" + file
            var bytes = try FileSystem.read(path)
            bytes[bytes.count / 2] ^= 1
            try FileSystem.replace(path, with: bytes.span)
        }
        try apiary.start()
        try apiary.curl("GET /v1/programs/v").answers(200, #"{"state":"loaded"}"#)
        #expect(try entries(apiary, "v/many") == 0)
        #expect(apiary.log.contains("a kept map's file is broken"))
        FaultReport.line("a broken snapshot at a reboot", 2, "loaded, the maps empty, logged")
    }

    @Test(.needs(.tracepoint))
    func `what is kept of a map ends with the map`() throws {
        let apiary = try TestDaemon(arguments: ["--set", "snapshot_interval_s=1"])
        let registry = apiary.stateDirectory + "/registry.sqlite"
        func kept(_ entries: Int) throws -> Bool {
            try Machine.waits(seconds: 30) {
                try Machine.run(
                    "sqlite3", "-readonly", registry,
                    "SELECT group_concat(entries) FROM snapshots WHERE map = 'many'")
                    == "\(entries)\n"
            }
        }
        let write = #"{"value":9}"#
        // The same contents in another program of the same name are kept once more.
        for _ in 0..<2 {
            try program(apiary, #""many":{"persist":true}"#).answers(201)
            try apiary.curl("PUT /v1/maps/v/many/entries/1", json: write).answers(201)
            #expect(try kept(1))
            try apiary.curl("DELETE /v1/programs/v").answers(204)
        }
        // A replacement without "reuse" begins with an empty map, also after a reboot that comes
        // at once; with it, the contents stay.
        try program(apiary, #""many":{"persist":true}"#).answers(201)
        try apiary.curl("PUT /v1/maps/v/many/entries/1", json: write).answers(201)
        #expect(try kept(1))
        try program(apiary, #""many":{"persist":true,"reuse":"keep"}"#).answers(200)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try entries(apiary, "v/many") == 1)
        try program(apiary, #""many":{"persist":true,"max_entries":512}"#).answers(200)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try entries(apiary, "v/many") == 0)
        FaultReport.line(
            "reboots after a persistent map's program was replaced", 2,
            "contents where the map was kept, else none")
    }

    @Test(.needs(.tracepoint)) func `what cannot be kept is refused`() throws {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "events.bpf.o").answers(201)
        let digest = kept["/digest"]?.string ?? ""
        let ring = try #require(
            kept["/maps"]?.array?.first { $0["type"] == "ringbuf" }?["name"]?.string)
        try apiary.curl(
            "PUT /v1/programs/e",
            json: #"{"object":{"digest":"\#(digest)"},"maps":{"\#(ring)":{"persist":true}}}"#
        ).answers(
            422, #"{"code":"unsupported_map_operation","pointer":"/maps/\#(ring)/persist"}"#)
        try apiary.curl(
            "PUT /v1/programs/e",
            json: #"{"object":{"digest":"\#(digest)"},"maps":{"\#(ring)":{"persist":1}}}"#
        ).answers(400, problem: .invalidMember)
        try apiary.curl("GET /v1/programs/e").answers(404)
    }

    @Test(.needs(.tracepoint)) func `variables are as they were set, by option and by PATCH`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/g?global=target_pid=7", file: "globals.bpf.o")
            .answers(201)
        let changed = try apiary.curl(
            "PATCH /v1/programs/g/globals", json: #"{"threshold":77,"offsets":[9,8,7]}"#
        ).answers(200, #"{"changed":true}"#)
        #expect(changed["/revision"]?.string != nil)
        try apiary.curl("GET /v1/audit?action=patch_globals&subject=programs/g").answers(
            200, #"{"items":[{"outcome":"ok"}]}"#)
        for _ in 0..<2 {
            apiary.kill9()
            try apiary.loseTheKernel()
            try apiary.start()
            #expect(try apiary.global("g", "threshold") == 77)
            #expect(try apiary.global("g", "offsets")?.compact == "[9,8,7]")
            #expect(try apiary.global("g", "target_pid") == 7)
        }
        // The same upload is still the same program; another forgets what was set.
        try apiary.curl("PUT /v1/programs/g?global=target_pid=7", file: "globals.bpf.o")
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("PUT /v1/programs/g?global=target_pid=8", file: "globals.bpf.o")
            .answers(200, #"{"changed":true}"#)
        #expect(try apiary.global("g", "threshold") == 100)
        apiary.kill9()
        try apiary.loseTheKernel()
        try apiary.start()
        #expect(try apiary.global("g", "threshold") == 100)
        FaultReport.line("a reboot with variables set", 3, "as they were set")
    }

    @Test(.needs("tcx"))
    func `probes at one hook are attached in the order in which they were made`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_tc")
        try rig.load(["on_tc"], name: "a").answers(201)
        try rig.load(["on_tc"], name: "z").answers(201)
        let place =
            #""attach":{"kind":"tcx","interface":"v1","direction":"ingress","netns":"\#(network.name)"}"#
        // By name they would come in another order.
        for (id, program) in [("first", "z"), ("second", "a"), ("third", "k")] {
            try rig.apiary.curl(
                "PUT /v1/probes/\(id)",
                json: #"{"program":"\#(program)","function":"on_tc",\#(place)}"#
            ).answers(201)
        }
        rig.apiary.kill9()
        try rig.apiary.loseTheKernel()
        try rig.apiary.start()
        let ids = try ["first", "second", "third"].map { try rig.apiary.link($0) ?? 0 }
        #expect(ids == ids.sorted(), "\(ids)")
        try rig.apiary.isSound("after a reboot")
        FaultReport.line("a reboot with three tcx probes at a hook", 1, "the order is kept")
    }

    @Test(.needs(.tracepoint)) func `what cannot come back shows failed and never vanishes`() throws
    {
        let apiary = try TestDaemon()
        let network = try NetworkRig()
        try apiary.curl("PUT /v1/programs/keeper", file: "kinds.bpf.o").answers(201)
        let digest = try apiary.curl("GET /v1/programs/keeper")["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/k",
            json: #"{"object":{"digest":"\#(digest)"},"functions":{"only":["on_xdp"]}}"#
        ).answers(201)
        let place = #"{"kind":"xdp","interface":"v1","netns":"\#(network.name)"}"#
        for (id, gone) in [("f", "fail"), ("w", "wait")] {
            // An interface takes one xdp: the second is registered while the first is away.
            let json = """
                {"program":"k","function":"on_xdp","attach":\(place),"when_gone":"\(gone)"}
                """
            let answer = try apiary.curl("PUT /v1/probes/\(id)", json: json)
            if id == "f" {
                answer.answers(201)
                try apiary.curl("PATCH /v1/probes/f", json: #"{"enabled":false}"#).answers(200)
            } else {
                answer.answers(201)
            }
        }
        apiary.kill9()
        try apiary.loseTheKernel()
        try network.inside("ip link del v1")
        try apiary.start()
        try apiary.curl("GET /v1/probes/f").answers(200, #"{"state":"disabled"}"#)
        try apiary.curl("GET /v1/probes/w").answers(
            200, #"{"state":"failed","problem":{"code":"target_not_found"}}"#)
        // The disabled one, of another boot, is as it should be.
        try apiary.isSound("after a reboot into a host without the interface")
        try network.inside(
            "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up")
        try apiary.waits(for: "w", "attached")
        FaultReport.line(
            "a reboot into a host without the interface", 1, "failed; back with the interface")
    }
}
