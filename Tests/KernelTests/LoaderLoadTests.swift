import JSON
import Linux
import Loading
import Testing

@Suite struct LoaderLoadTests {
    private let volume: PrivateBPFFS

    init() throws { volume = try PrivateBPFFS() }

    private func load(_ name: String, _ change: (inout LoadRequest) -> Void = { _ in }) throws
        -> LoadReport
    {
        try LoaderRig.loader.load(LoaderRig.object(name), volume.request(change))
    }

    private func global(_ name: String, _ report: LoadReport) throws -> [UInt8] {
        let global = try #require(report.globals.first { $0.name == name })
        let map = try #require(report.maps.first { $0.name == global.section })
        let value = try Reopened("\(volume.pins)/\(#require(map.pin))").value()
        return Array(value[global.offset..<(global.offset + global.size)])
    }

    @Test(arguments: [
        "counter", "events", "anchor", "undeclared", "rawtracepoint", "tpbtf", "uprobe", "globals",
        "names",
    ])
    func `each object loads and every pin of its report opens again`(name: String) throws {
        let report = try load(name)
        #expect(report.license == "GPL")
        #expect(report.libbpfVersion.hasPrefix("v1."))
        var pins: [String] = []
        for (index, function) in report.functions.enumerated() {
            let pin = try #require(function.pin)
            #expect(pin == "p\(index)")
            pins.append(pin)
            let information = try Reopened("\(volume.pins)/\(pin)").programInformation()
            #expect(information.id > 0)
            #expect(function.instructions > 0)
        }
        for (index, map) in report.maps.enumerated() {
            let pin = try #require(map.pin)
            #expect(pin == "m\(index)")
            pins.append(pin)
            let information = try Reopened("\(volume.pins)/\(pin)").mapInformation()
            #expect(information.type == map.type)
            #expect(map.isInternal == map.name.hasPrefix("."))
        }
        #expect(try volume.names() == pins.sorted())
    }

    @Test func `a dry run loads and leaves nothing`() throws {
        let report = try load("counter") { $0.pinDirectory = nil }
        #expect(report.functions.map(\.name) == ["count"])
        #expect(report.functions.allSatisfy { $0.pin == nil })
        #expect(report.maps.allSatisfy { $0.pin == nil })
        #expect(try volume.names() == [])
    }

    @Test func `the report tells what attaching needs to know`() throws {
        let counter = try load("counter")
        #expect(counter.functions[0].type == "tracepoint")
        #expect(counter.functions[0].section == "tracepoint/syscalls/sys_enter_getpgid")
        #expect(counter.functions[0].target == nil)
        #expect(counter.maps.map(\.name) == ["callers", "totals", "by_uid", "by_cpu"])
        #expect(counter.maps.map(\.type) == [1, 2, 5, 6])
        try volume.clear()

        let traced = try load("tpbtf")
        #expect(traced.functions[0].type == "tracing")
        #expect(traced.functions[0].target == "sys_enter")
        #expect(traced.functions[0].expectedAttachType == 23)  // BPF_TRACE_RAW_TP
        try volume.clear()

        let probes = try load("uprobe")
        #expect(probes.functions.map(\.name) == ["on_entry", "on_return", "with_path"])
        #expect(probes.functions.map(\.type) == ["kprobe", "kprobe", "kprobe"])
        #expect(probes.functions.allSatisfy { $0.expectedAttachType == 0 })
        #expect(probes.functions[2].section == "uprobe//lib/does-not-exist.so:nothing")
    }

    @Test func `event types come from the macro, from the anchor, or from nowhere`() throws {
        let declared = try load("events")
        #expect(
            declared.eventTypes == [
                LoadReport.EventType(map: "calls", type: "call_event", source: .declared)
            ])
        // The declaration makes no map of its own.
        #expect(declared.maps.map(\.name) == ["calls", "calls_lost", ".rodata", ".bss"])
        try volume.clear()
        #expect(
            try load("anchor").eventTypes == [
                LoadReport.EventType(map: "ticks", type: "tick", source: .anchor)
            ])
        try volume.clear()
        #expect(try load("undeclared").eventTypes == [])
    }

    @Test func `globals are set by their types before the load`() throws {
        let report = try load("globals") {
            $0.globals["small"] = 200
            $0.globals["negative"] = -300
            $0.globals["target_pid"] = 4_000_000_000
            $0.globals["large"] = .number(JSONNumber(UInt64.max))
            $0.globals["enabled"] = true
            $0.globals["level"] = "LOUD"
            $0.globals["prefix"] = "bee"
            $0.globals["ports"] = [1, 2, 3, 4]
            $0.globals["limits"] = ["least": 5, "most": 6, "label": "xy"]
            $0.globals["threshold"] = 77
            $0.globals["count"] = 9
        }
        #expect(try global("small", report) == [200])
        #expect(try global("negative", report) == [0xd4, 0xfe])
        #expect(try global("target_pid", report) == [0x00, 0x28, 0x6b, 0xee])
        #expect(try global("large", report) == [UInt8](repeating: 0xff, count: 8))
        #expect(try global("enabled", report) == [1])
        #expect(try global("level", report) == [7, 0, 0, 0])
        #expect(try global("prefix", report).prefix(4) == [0x62, 0x65, 0x65, 0])
        #expect(
            try global("ports", report) == [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
        #expect(
            try global("limits", report)
                == [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0x78, 0x79, 0, 0, 0, 0, 0, 0])
        #expect(try global("threshold", report) == [77, 0, 0, 0, 0, 0, 0, 0])
        #expect(try global("count", report) == [9, 0, 0, 0, 0, 0, 0, 0])
        // Untouched: what the object says.
        #expect(try global("offsets", report) == [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])
    }

    @Test func `the report lists globals with section, type and place`() throws {
        let report = try load("globals")
        let types = Dictionary(uniqueKeysWithValues: report.globals.map { ($0.name, $0) })
        #expect(types["small"]?.section == ".rodata")
        #expect(types["threshold"]?.section == ".data")
        #expect(types["count"]?.section == ".bss")
        #expect(types["hidden"]?.section == ".bss")
        #expect(types["limits"]?.size == 24)
        for map in report.maps where map.isInternal {
            let inside = report.globals.filter { $0.section == map.name }
            for (one, next) in zip(inside, inside.dropFirst()) {
                #expect(one.offset + one.size <= next.offset)
            }
        }
    }

    @Test func `only the functions that are asked for are loaded`() throws {
        let report = try load("sections") { $0.onlyFunctions = ["pass", "optional"] }
        #expect(report.functions.map(\.name) == ["optional", "pass"])
        #expect(report.functions.map(\.isSleepable) == [false, false])
        #expect(report.license == "Dual BSD/GPL")
        #expect(try volume.names() == ["p0", "p1"])
    }

    @Test(.enabled(if: LoaderRig.kernelIsAtLeast(6, 0), "sleepable uprobes came with Linux 6.0"))
    func `a sleepable function is told`() throws {
        let report = try load("sections") { $0.onlyFunctions = ["sleepable"] }
        #expect(report.functions.map(\.isSleepable) == [true])
    }

    @Test func `a target may come from the request`() throws {
        let report = try load("sections") {
            $0.onlyFunctions = ["without_target", "each_map"]
            $0.targets = ["without_target": "sys_enter"]
        }
        #expect(report.functions.map(\.target) == ["bpf_map", "sys_enter"])
    }

    @Test func `max_entries is the request's`() throws {
        let report = try load("counter") { $0.maxEntries = ["callers": 7] }
        let pin = try #require(report.maps.first { $0.name == "callers" }?.pin)
        #expect(try Reopened("\(volume.pins)/\(pin)").mapInformation().max_entries == 7)
    }

    @Test func `a pinned map is used instead of a new one`() throws {
        let first = try load("counter")
        let pin = try #require(first.maps.first { $0.name == "callers" }?.pin)
        let kept = volume.path + "/kept"
        try FileSystem.rename("\(volume.pins)/\(pin)", to: kept)
        try volume.clear()
        let second = try load("counter") { $0.reusedMaps = ["callers": kept] }
        let again = try #require(second.maps.first { $0.name == "callers" }?.pin)
        #expect(
            try Reopened("\(volume.pins)/\(again)").mapInformation().id
                == Reopened(kept).mapInformation().id)
    }

    @Test func `a map that asks to be pinned by name is pinned only where the load says`() throws {
        let report = try load("pinned")
        #expect(report.maps.map(\.name) == ["apiary_test_pinned"])
        #expect(try volume.names() == ["m0", "p0"])
        #expect(!FileSystem.exists("/sys/fs/bpf/apiary_test_pinned"))
    }

    @Test func `a full verifier log is there after a success and a brief one is not`() throws {
        let brief = try load("counter")
        #expect(brief.functions[0].verifierLog == nil)
        try volume.clear()
        let full = try load("counter") { $0.verifierLog = .full }
        #expect(try #require(full.functions[0].verifierLog).contains("processed "))
    }

    @Test func `a USDT object loads with the maps that libbpf adds`() throws {
        let report = try load("usdt")
        #expect(report.functions[0].type == "kprobe")
        // 0, or BPF_TRACE_UPROBE_MULTI (48) where the kernel has it: libbpf's choice is recorded.
        #expect([0, 48].contains(report.functions[0].expectedAttachType))
        let names = report.maps.map(\.name)
        #expect(names.contains("__bpf_usdt_specs"))
        #expect(names.contains(".kconfig"))
        #expect(!report.globals.contains { $0.section == ".kconfig" })
    }

    @Test func `the bundled execsnoop loads`() throws {
        let report = try LoaderRig.loader.load(LoaderRig.bundled("execsnoop"), volume.request())
        #expect(
            report.functions.map(\.section) == [
                "tracepoint/syscalls/sys_enter_execve", "tracepoint/syscalls/sys_exit_execve",
                "tracepoint/syscalls/sys_enter_execveat", "tracepoint/syscalls/sys_exit_execveat",
            ])
        #expect(
            report.eventTypes == [
                LoadReport.EventType(map: "execs", type: "exec_event", source: .declared)
            ])
    }
}
