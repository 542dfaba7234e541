import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapKindTests {
    /// As the kernel counts them: a per-CPU map has a value for each that may ever be there.
    private func possibleCPUs(_ apiary: TestDaemon) throws -> Int {
        try apiary.curl("GET /v1/host").answers(200)["/cpus/possible"]?.int ?? 0
    }

    @Test(.needs(.tracepoint)) func `each kind of map shows what the program counted`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        let pid = other.processIdentifier
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        try other.getpgid(6)
        try apiary.curl("GET /v1/maps/c/callers/entries/{\"pid\":\(pid),\"uid\":0}").answers(
            200,
            #"{"key":{"pid":\#(pid),"uid":0},"value":{"calls":6,"comm":"perl"}}"#)
        #expect((try apiary.value("c/totals", 0) ?? 0) >= 6)
        for (path, member) in [("by_uid/entries/0", ""), ("by_cpu/entries/0", "/calls")] {
            let answer = try apiary.curl("GET /v1/maps/c/\(path)").answers(200)
            let values = answer["/values"]?.array ?? []
            #expect(values.count == (try possibleCPUs(apiary)))
            let sum = values.compactMap { $0.at(member)?.uint64 }.reduce(0, +)
            #expect(sum >= 6, "\(answer)")
        }
    }

    @Test func `a per-CPU entry takes a value for each CPU`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        let cpus = try possibleCPUs(apiary)
        let values = (0..<cpus).map { #"{"address":\#($0),"port":80,"protocol":6,"pad":0}"# }
            .joined(separator: ",")
        let entry = "/v1/maps/v/each_cpu/entries/18446744073709551615"
        try apiary.curl("PUT \(entry)", json: #"{"values":[\#(values)]}"#)
            .answers(201, #"{"key":18446744073709551615,"values":[\#(values)],"changed":true}"#)
        try apiary.curl("GET \(entry)").answers(200, #"{"values":[\#(values)]}"#)
        try apiary.curl("GET \(entry)?int64=string").answers(
            200, #"{"key":"18446744073709551615"}"#)
        let wrong = try apiary.curl("PUT \(entry)", json: #"{"values":[\#(values),{}]}"#)
            .answers(422, #"{"code":"size_mismatch","pointer":"/values"}"#)
        #expect(wrong["/detail"]?.string?.contains("\(cpus + 1)") == true)
        try apiary.curl("PUT \(entry)", json: #"{"value":{}}"#)
            .answers(400, #"{"code":"invalid_member","pointer":"/values"}"#)
        try apiary.curl("PUT \(entry)?mode=create", json: #"{"values":[\#(values)]}"#)
            .answers(409, problem: .alreadyExists)
        let id = try apiary.curl("GET /v1/maps/v/each_cpu")["/kernel_id"]?.int ?? 0
        let seen = try Machine.bpftool("map", "dump", "id", "\(id)")?.array ?? []
        #expect(seen.first?["formatted"]?["values"]?.array?.count == cpus)
        try apiary.curl("DELETE \(entry)").answers(204)
        try apiary.curl("GET \(entry)").answers(404, problem: .notFound)
    }

    @Test func `sections of variables are maps, under their own names`() throws {
        let apiary = try TestDaemon()
        try apiary.curl(
            "PUT /v1/programs/g?global=target_pid=42&global=enabled=true", file: "globals.bpf.o"
        ).answers(201)
        for path in [".rodata", "%2erodata"] {
            try apiary.curl("GET /v1/maps/g/\(path)/entries/0").answers(
                200, #"{"key":0,"value":{"target_pid":42,"enabled":true,"small":1,"negative":-2}}"#)
        }
        try apiary.curl("GET /v1/maps/g/.rodata").answers(
            200, #"{"name":".rodata","type":"array"}"#)
        try apiary.curl("GET /v1/maps/g/.bss/entries/0").answers(200, #"{"value":{"count":0}}"#)
        let frozen = try apiary.curl(
            "PUT /v1/maps/g/.rodata/entries/0", json: #"{"value":{"target_pid":43}}"#)
        #expect([422, 501].contains(frozen.status), "\(frozen)")
        #expect(try apiary.global("g", "target_pid") == 42)
    }

    @Test func `a map is described`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/e", file: "events.bpf.o").answers(201)
        let map = try apiary.curl("GET /v1/maps/v/flows").answers(
            200,
            """
            {"program":"v","name":"flows","type":"hash","key_size_bytes":8,"max_entries":64,
             "key_type":"struct flow","value_type":"struct everything","entry_count":0,
             "pinned":true,"flags":0}
            """)
        #expect((map["/memory_bytes"]?.int ?? 0) > 0)
        #expect(map.etag == "\"\(map["/revision"]?.string ?? "")\"")
        let id = map["/kernel_id"]?.int ?? 0
        let seen = try #require(try Machine.bpftool("map", "show", "id", "\(id)"))
        #expect(seen["bytes_value"] == map["/value_size_bytes"])
        #expect(seen["bytes_memlock"] == map["/memory_bytes"])
        try apiary.curl("PUT /v1/maps/v/flows/entries/{}", json: #"{"value":{}}"#).answers(201)
        try apiary.curl("GET /v1/maps/v/flows").answers(200, #"{"entry_count":1}"#)
        let hashes = try apiary.curl("GET /v1/maps?type=hash&program=v").names().sorted()
        #expect(hashes == ["bare", "flows", "many", "names"])
        #expect(try apiary.curl("GET /v1/maps/v?type=percpu_hash").names() == ["each_cpu"])
        #expect(try apiary.curl("GET /v1/maps?program=e").names().contains("calls"))
        let near = try apiary.curl("GET /v1/maps/v/flow").answers(404, problem: .notFound)
        #expect(near["/hint"]?.string?.contains("flows") == true)
        try apiary.curl("GET /v1/maps/w").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/maps/w/flows").answers(404, problem: .notFound)
    }

    @Test func `a ring and a queue have no entries, and the ring says where its records are`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/e", file: "events.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/m", file: "maps.bpf.o").answers(201)
        try apiary.curl("GET /v1/maps/e/calls").answers(200, #"{"type":"ringbuf"}"#)
        for path in ["entries", "entries/0"] {
            let ring = try apiary.curl("GET /v1/maps/e/calls/\(path)")
                .answers(422, problem: .unsupportedMapOperation)
            #expect(ring["/detail"]?.string?.contains("/v1/events?program=e") == true)
            try apiary.curl("GET /v1/maps/m/line/\(path)")
                .answers(422, problem: .unsupportedMapOperation)
        }
        try apiary.curl("PUT /v1/maps/e/calls/entries/0", json: #"{"value":1}"#)
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("DELETE /v1/maps/e/calls/entries/0")
            .answers(422, problem: .unsupportedMapOperation)
    }
}
