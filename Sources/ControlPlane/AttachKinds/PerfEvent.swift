internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// A counter at whose overflow the function runs: a clock, or an event of the CPU or the kernel.
struct PerfEventKind: AttachKind {
    let name = "perf_event"
    let members = [
        AttachMember("event", .choice(Self.events.map(\.name))),
        AttachMember("frequency", .unsigned(1...1_000_000)),
        AttachMember("period", .unsigned(1...UInt64(Int64.max))), .processID,
        AttachMember("cpu", .unsigned(0...65535)), .cookie,
    ]
    let needs = [["event"], ["frequency", "period"]]
    let excludes = [["frequency", "period"]]
    let sections = ["perf_event"]

    // linux/perf_event.h: PERF_TYPE_HARDWARE 0, PERF_TYPE_SOFTWARE 1, and their PERF_COUNT_….
    private static let events: [(name: String, type: UInt32, config: UInt64)] = [
        ("cpu-clock", 1, 0), ("task-clock", 1, 1), ("page-faults", 1, 2),
        ("context-switches", 1, 3), ("cpu-migrations", 1, 4), ("minor-faults", 1, 5),
        ("major-faults", 1, 6), ("alignment-faults", 1, 7), ("emulation-faults", 1, 8),
        ("cgroup-switches", 1, 11), ("cpu-cycles", 0, 0), ("instructions", 0, 1),
        ("cache-references", 0, 2), ("cache-misses", 0, 3), ("branches", 0, 4),
        ("branch-misses", 0, 5), ("bus-cycles", 0, 6), ("stalled-cycles-frontend", 0, 7),
        ("stalled-cycles-backend", 0, 8), ("ref-cycles", 0, 9),
        // perf(1) has these words too.
        ("cycles", 0, 0), ("branch-instructions", 0, 4), ("faults", 1, 2), ("migrations", 1, 4),
    ]

    func fits(_ function: LoadReport.Function) -> Bool { function.type == "perf_event" }

    /// A counter of a process goes with it from CPU to CPU; one of a CPU is needed on each.
    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let named = site.text("event") ?? ""
        guard let event = Self.events.first(where: { $0.name == named }) else {
            throw site.missing("There is no event \(named).", "event")
        }
        let sampling: PerfCounter.Sampling =
            if let hertz = site.unsigned("frequency") { .frequency(hertz) } else {
                .period(site.unsigned("period") ?? 1)
            }
        let cpu = site.unsigned("cpu").map { Int32($0) }
        if let cpu, !OnlineCPUs.all.contains(cpu) {
            throw site.missing("CPU \(cpu) is not online.", "cpu", errno: .enodev)
        }
        let cpus: [Int32?] = site.processID == nil && cpu == nil ? OnlineCPUs.all : [cpu]
        return cpus.map { cpu in
            .perfEvent(
                PerfCounter(
                    type: event.type, config: event.config, sampling: sampling,
                    processID: site.processID, cpu: cpu))
        }
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let event = site.text("event") ?? ""
        switch error.errno {
        case .enoent, .eopnotsupp:
            return site.hostLacks("a counter for \(event), which this machine has not", error)
        case .esrch:
            return site.missing(
                "There is no process \(site.processID ?? 0).", "pid", errno: .esrch)
        case .enodev:
            return site.missing(
                "CPU \(site.unsigned("cpu") ?? 0) is not online.", "cpu", errno: error.errno)
        case .einval where site.unsigned("frequency") != nil:
            let most = FileSystem.text("/proc/sys/kernel/perf_event_max_sample_rate") ?? "?"
            return Problem(
                .attachRefused,
                "The kernel refused \(site.unsigned("frequency") ?? 0) Hz: "
                    + "kernel.perf_event_max_sample_rate is \(most).",
                errno: error.errno.name, pointer: "/attach/frequency", cause: error)
        default: return nil
        }
    }
}

/// The CPUs that run.
enum OnlineCPUs {
    /// `0-3,6` as numbers; CPU 0 where sysfs is not there.
    static var all: [Int32] {
        let text = FileSystem.text("/sys/devices/system/cpu/online") ?? "0"
        return text.split(separator: ",").flatMap { range -> [Int32] in
            let ends = range.split(separator: "-").compactMap { Int32($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
