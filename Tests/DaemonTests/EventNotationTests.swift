import JSON
import TestSupport
import Testing

/// Records whose members are addresses, ports and histograms: shown as such, and filtered as shown.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventNotationTests {
    private let apiary: TestDaemon
    private let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
        try apiary.load("f", "flows.bpf.o", watching: other.processIdentifier)
        try other.getpgid(3)
    }

    private func events(_ filter: String = "pid") throws -> [JSONValue] {
        let encoded = filter.replacing("&", with: "%26").replacing(" ", with: "%20")
        let answer = try apiary.curl(
            "GET /v1/events?program=f&follow=false&records=events&filter=\(encoded)"
        ).answers(200)
        return try answer.lines
    }

    @Test func `a filter compares members as they are shown`() throws {
        #expect(try Machine.waits { try events().count == 3 })
        let shown = try events()[0]["data"]
        guard let source = shown?["source"]?.string, source == "192.0.2.1" else {
            // Kernels before 5.16 keep no declaration tags: then they are plain numbers.
            print("skipped: members have no notation here: \(shown?.compact ?? "")")
            return
        }
        #expect(shown?["target"] == "2001::7")
        #expect(shown?["card"] == "de:00:00:00:00:01")
        #expect(shown?["port"] == 443)
        #expect(shown?["peers"] == ["0.0.0.0", "192.0.2.1"])
        for (filter, numbers) in [
            ("source == \"192.0.2.1\"", [1]), ("source != \"192.0.2.1\"", [2, 3]),
            ("source in (\"192.0.2.3\", \"192.0.2.2\")", [2, 3]), ("source", [1, 2, 3]),
            ("target == \"2001::7\" && port > 443", [2, 3]), ("port == 443", [1]),
            ("card == \"de:00:00:00:00:01\" && port in (444, 445)", [2, 3]), ("port & 1", [1, 3]),
            ("peers[1] == \"192.0.2.2\"", [2]), ("!(peers[0])", [1, 2, 3]),
            ("port != pid", [1, 2, 3]),
        ] {
            #expect(try events(filter).compactMap { $0["seq"]?.int } == numbers, "\(filter)")
        }
    }

    @Test func `what a member is not compared with is refused with its place`() throws {
        #expect(try Machine.waits { try events().count == 3 })
        guard try events()[0].at("/data/source")?.string != nil else { return }
        for (filter, position, reason) in [
            ("source == 5", 11, "source is an address: compare it with one as it is shown"),
            ("source == \"192.0.2\"", 11, "source is an address"),
            ("source == \"::1\"", 11, "source is an address"),
            ("source < \"1.2.3.4\"", 1, "addresses are compared by ==, != and in, not by <"),
            ("pid == source", 8, "pid is a __u32, and source a __be32: two members are compared"),
            ("sizes == 5", 1, "sizes, a __u32[8], cannot be compared"),
            ("peers == \"192.0.2.1\"", 1, "compare peers[0] to peers[1]"),
        ] {
            let encoded = filter.replacing(" ", with: "%20")
            let answer = try apiary.curl("GET /v1/events?program=f&filter=\(encoded)")
                .answers(400, problem: .invalidFilter)
            #expect(answer["/position"]?.int == position, "\(answer)")
            #expect(answer["/detail"]?.string?.contains(reason) == true, "\(answer)")
        }
    }
}

/// An object whose BTF the kernel would refuse for its names, all of it.
@Suite(.requiresRoot, .needs(.tracepoint)) struct KernelNameTests {
    @Test func `names that the kernel takes in no BTF are spelled so that it does`() throws {
        let apiary = try TestDaemon()
        let other = try Workload()
        let answer = try apiary.curl(
            "PUT /v1/programs/n?attach=auto&global=target_pid=\(other.processIdentifier)",
            file: "names.bpf.o"
        ).answers(201)
        let globals = answer["/globals"]?.array ?? []
        #expect(globals.first { $0["name"] == "target_pid" }?["type"] == "__u32")
        try other.getpgid(1)
        let shown = "{\"pid\":\(other.processIdentifier),\"mode_\":\"MODE_FAST\",\"_cents\":7}"
        #expect(
            try Machine.waits {
                try apiary.curl("GET /v1/events?program=n&follow=false&filter=_cents==7")
                    .answers(200).text.contains("\"type\":\"cost_\",\"data\":" + shown)
            })
        try apiary.curl("GET /v1/maps/n/table/entries/1").answers(
            200, "{\"key\":1,\"value\":\(shown)}")
        try apiary.curl("GET /v1/maps/n/table").answers(200, #"{"value_type":"struct cost_"}"#)
        try apiary.restart()
        try apiary.curl("GET /v1/maps/n/table").answers(200, #"{"value_type":"struct cost_"}"#)
    }
}
