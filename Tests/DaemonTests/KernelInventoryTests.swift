import JSON
import Linux
import TestSupport
import Testing

/// `/v1/kernel/…` against `bpftool -j`. Other tests load and unload meanwhile, so only what bpftool
/// shows both before and after ours is compared, and only where it says the same both times.
@Suite(.requiresRoot) struct KernelInventoryTests {
    private let apiary: TestDaemon
    private let workload: Workload

    init() throws {
        apiary = try TestDaemon()
        workload = try Workload()
        try apiary.load("hooks", "hooks.bpf.o", watching: workload.processIdentifier)
        try apiary.curl("PUT /v1/programs/runs", file: "runs.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/maptypes", file: "maptypes.bpf.o").answers(201)
    }

    /// All pages of a list, by id.
    private func all(_ path: String) throws -> [Int: JSONValue] {
        var found: [Int: JSONValue] = [:]
        var cursor = ""
        while true {
            let separator = path.contains("?") ? "&" : "?"
            let page = try apiary.curl("GET \(path)\(separator)limit=100\(cursor)").answers(200)
            for item in page["/items"]?.array ?? [] { found[item["id"]?.int ?? 0] = item }
            guard let next = page["/next_cursor"]?.string else { return found }
            cursor = "&cursor=" + next
        }
    }

    private func compare(
        _ kind: String, _ words: [String], _ pairs: [(theirs: String, ours: String)]
    )
        throws -> Int
    {
        let before = try Self.bpftool(words)
        let ours = try all("/v1/kernel/\(kind)")
        let after = try Self.bpftool(words)
        var count = 0
        for (id, theirs) in before {
            guard let again = after[id] else { continue }
            guard let our = ours[id] else {
                Issue.record("\(kind) \(id) is missing: \(theirs)")
                continue
            }
            for (their, name) in pairs {
                guard let value = theirs[their], value == again[their] else { continue }
                let shown = Self.at(name, in: our)
                #expect(Self.same(value, shown), "\(kind) \(id): \(theirs) and \(our) in \(name)")
                count += 1
            }
        }
        for id in ours.keys where before[id] == nil && after[id] == nil {
            // It came and went between the two.
            #expect(try Self.bpftool(words)[id] == nil, "\(kind) \(id) is not bpftool's")
        }
        return count
    }

    @Test func `programs are those that bpftool shows`() throws {
        let count = try compare(
            "programs", ["prog", "show"],
            [
                ("type", "/type"), ("name", "/name"), ("tag", "/tag"),
                ("gpl_compatible", "/gpl_compatible"), ("uid", "/uid"),
                ("bytes_xlated", "/xlated_size_bytes"), ("bytes_jited", "/jited_size_bytes"),
                ("bytes_memlock", "/memory_bytes"), ("map_ids", "/map_ids"), ("btf_id", "/btf_id"),
            ])
        #expect(count >= 80)
    }

    @Test func `maps are those that bpftool shows`() throws {
        let count = try compare(
            "maps", ["map", "show"],
            [
                ("type", "/type"), ("name", "/name"), ("flags", "/flags"),
                ("bytes_key", "/key_size_bytes"), ("bytes_value", "/value_size_bytes"),
                ("max_entries", "/max_entries"), ("bytes_memlock", "/memory_bytes"),
                // Not btf_id: bpftool gives a map without types the number of the one before it.
                // `btf show` has it right.
            ])
        #expect(count >= 80)
    }

    @Test(.needs(.tracepoint)) func `links are those that bpftool shows, with their targets`()
        throws
    {
        let count = try compare(
            "links", ["link", "show"],
            [
                ("type", "/type"), ("prog_id", "/program_id"), ("tp_name", "/target/tracepoint"),
                ("tracepoint", "/target/tracepoint"), ("cgroup_id", "/target/cgroup_id"),
                ("netns_ino", "/target/netns_inode"), ("target_obj_id", "/target/btf_object_id"),
                ("target_btf_id", "/target/btf_type_id"), ("target_name", "/target/iterator"),
            ])
        #expect(count >= 10)
    }

    @Test func `BTF objects are those that bpftool shows`() throws {
        let count = try compare(
            "btf", ["btf", "show"],
            [
                ("size", "/size_bytes"), ("kernel", "/kernel"), ("name", "/name"),
                ("prog_ids", "/program_ids"), ("map_ids", "/map_ids"),
            ])
        #expect(count >= 8)
    }

    @Test(.needs(.tracepoint)) func `what is Apiary's has its names, its pin and its process`()
        throws
    {
        let daemon = try #require(apiary.processIdentifier)
        let program = try apiary.curl("GET /v1/programs/hooks").answers(200)
        let function = program["/functions/0"]
        let id = function?["kernel_id"]?.int ?? 0
        let shown = try apiary.curl("GET /v1/kernel/programs/\(id)").answers(
            200, #"{"id":\#(id),"name":"on_tracepoint","apiary":{"program":"hooks"}}"#)
        #expect(shown["/apiary/function"] == function?["name"])
        #expect(shown["/pins/0"]?.string?.hasPrefix(apiary.bpffs) == true)
        #expect(shown["/processes"]?.array?.contains { $0["pid"]?.int == Int(daemon) } == true)
        let map = try apiary.curl("GET /v1/maps/hooks/counts").answers(200)["/kernel_id"]?.int ?? 0
        try apiary.curl("GET /v1/kernel/maps/\(map)").answers(
            200, #"{"name":"counts","apiary":{"program":"hooks","map":"counts"}}"#)
        let link = try apiary.link("hooks.on_tracepoint") ?? 0
        let target = try apiary.curl("GET /v1/kernel/links/\(link)").answers(
            200, #"{"apiary":{"program":"hooks","probe":"hooks.on_tracepoint"}}"#)
        // Kernels before 6.6 do not tell of a perf event's link.
        if let tracepoint = target["/target/tracepoint"] {
            #expect(tracepoint == "sys_enter_getpgid")
        }
        let raw = try apiary.link("hooks.on_raw") ?? 0
        let place = try apiary.curl("GET /v1/kernel/links/\(raw)").answers(200)
        #expect(place["/target/tracepoint"] == "sys_enter")
        let typed = try apiary.link("hooks.on_typed") ?? 0
        let traced = try apiary.curl("GET /v1/kernel/links/\(typed)").answers(200)
        // The kernel keeps tp_btf as a raw tracepoint.
        let names = ["/target/tracepoint", "/target/symbol"].compactMap { traced[$0]?.string }
        #expect(names.contains { $0.hasSuffix("sys_enter") || $0.hasSuffix("sys_exit") })
    }

    @Test func `lists are filtered and paged by id`() throws {
        let ours = try all("/v1/kernel/programs?apiary=true")
        let functions = try apiary.curl("GET /v1/programs").answers(200)["/items"]?.array ?? []
        let count = functions.reduce(0) { $0 + ($1["functions"]?.array?.count ?? 0) }
        #expect(ours.count == count)
        #expect(ours.values.allSatisfy { $0["apiary"]?["program"] != nil })
        let others = try all("/v1/kernel/programs?apiary=false")
        #expect(others.values.allSatisfy { $0["apiary"] == .null })
        let named = try all("/v1/kernel/programs?apiary=true&name=second_argument")
        #expect(named.values.map { $0["type"] } == ["raw_tracepoint"])
        let typed = try all("/v1/kernel/programs?apiary=true&type=xdp")
        #expect(typed.values.map { $0["name"] } == ["mark_frame"])
        let first = try apiary.curl("GET /v1/kernel/programs?apiary=true&limit=2").answers(200)
        #expect(first["/items"]?.array?.count == 2)
        let next = first["/next_cursor"]?.string ?? ""
        let second = try apiary.curl("GET /v1/kernel/programs?apiary=true&limit=2&cursor=\(next)")
            .answers(200)
        #expect((second["/items/0/id"]?.int ?? 0) > (first["/items/1/id"]?.int ?? 0))
        let id = ours.keys.min() ?? 0
        let links = try all("/v1/kernel/links?program_id=\(id)")
        #expect(links.values.allSatisfy { $0["program_id"]?.int == id })
    }

    @Test func `what is not there or not sane is refused`() throws {
        for kind in ["programs", "maps", "links", "btf"] {
            try apiary.curl("GET /v1/kernel/\(kind)/4294967295").answers(404, problem: .notFound)
            try apiary.curl("GET /v1/kernel/\(kind)/0").answers(404, problem: .notFound)
            try apiary.curl("GET /v1/kernel/\(kind)/x").answers(404, problem: .notFound)
            try apiary.curl("GET /v1/kernel/\(kind)?limit=0")
                .answers(400, problem: .invalidParameter)
            try apiary.curl("GET /v1/kernel/\(kind)?cursor=zz")
                .answers(400, problem: .invalidCursor)
            try apiary.curl("GET /v1/kernel/\(kind)?apiary=maybe")
                .answers(400, problem: .invalidParameter)
            try apiary.curl("GET /v1/kernel/\(kind)?colour=red")
                .answers(400, problem: .unknownParameter)
        }
        try apiary.curl("GET /v1/kernel/links?program_id=x")
            .answers(400, problem: .invalidParameter)
    }

    private static func bpftool(_ words: [String]) throws -> [Int: JSONValue] {
        var found: [Int: JSONValue] = [:]
        for item in try Machine.bpftool(words)?.array ?? [] { found[item["id"]?.int ?? 0] = item }
        return found
    }

    private static func at(_ pointer: String, in value: JSONValue) -> JSONValue? {
        pointer.split(separator: "/").reduce(value) { $0?[String($1)] }
    }

    /// Lists of ids in any order; a truth that bpftool writes as 0 or 1.
    private static func same(_ theirs: JSONValue, _ ours: JSONValue?) -> Bool {
        if let list = theirs.array {
            return list.compactMap(\.int).sorted() == ours?.array?.compactMap(\.int).sorted()
        }
        return theirs == ours
    }
}
