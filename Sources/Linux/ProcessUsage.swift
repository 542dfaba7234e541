internal import Glibc

/// What this process uses, as proc(5) tells it.
public struct ProcessUsage: Sendable {
    /// User and system time of all threads since the start.
    public var cpuNanoseconds: UInt64 = 0
    public var residentBytes = 0
    public var virtualBytes = 0
    public var threads = 0
    public var openDescriptors = 0
    /// RLIMIT_NOFILE, the soft one.
    public var descriptorLimit = 0
    /// Since 1970, from the boot's time and the process's ticks: exact to 10 ms.
    public var startedAtNanoseconds: UInt64 = 0

    /// Looks at `/proc/self`: 50 µs and 0.3 µs for each open descriptor. What cannot be read is 0.
    public static func now() -> ProcessUsage {
        var usage = ProcessUsage()
        // It has microseconds where `stat` has ticks. 0: RUSAGE_SELF, of another type here.
        var resources = rusage()
        if unsafe getrusage(0, &resources) == 0 {
            for time in [resources.ru_utime, resources.ru_stime] {
                usage.cpuNanoseconds +=
                    UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
            }
        }
        // proc(5): the command, which may hold blanks and parentheses, ends at the last `)`.
        let text = FileSystem.text("/proc/self/stat") ?? ""
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...]
            .split(separator: " ").dropFirst()
        func field(_ number: Int) -> Int {
            // The third field is the first after the command.
            Int(fields.dropFirst(number - 3).first ?? "") ?? 0
        }
        usage.threads = field(20)
        usage.virtualBytes = field(23)
        usage.residentBytes = field(24) * Int(sysconf(Int32(_SC_PAGESIZE)))
        let ticks = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let sinceBoot = UInt64(clamping: field(22)) * (1_000_000_000 / ticks)
        usage.startedAtNanoseconds = Timestamp(bootNanoseconds: sinceBoot).nanoseconds
        // The directory's own descriptor is among them.
        do { usage.openDescriptors = try FileSystem.count("/proc/self/fd") - 1 } catch {}
        usage.descriptorLimit = ProcessLimits.descriptors
        return usage
    }
}
