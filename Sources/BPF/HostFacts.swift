internal import Linux

/// What the host says of itself, read when asked.
public struct HostFacts: Sendable {
    /// `uname -r`.
    public let kernelRelease: String
    /// /sys/kernel/btf/vmlinux is there.
    public let hasBTF: Bool
    /// `none`, `integrity`, `confidentiality`; nil where the kernel has no lockdown, or where
    /// securityfs is not mounted and cannot be looked into without.
    public let lockdown: String?
    /// The active security modules, `["capability", "bpf"]`; empty where securityfs cannot be read.
    public let securityModules: [String]
    /// This process's effective capabilities, `CAP_BPF`, by number.
    public let capabilities: [String]
    /// nil where it cannot be read.
    public let isJITEnabled: Bool?
    /// kernel.unprivileged_bpf_disabled: 0 allowed, 1 forbidden for good, 2 forbidden.
    public let unprivilegedBPFDisabled: Int?
    public let possibleCPUs: Int
    /// Where tracefs is mounted; nil where it is not.
    public let tracefs: String?
    /// Whether /sys/fs/bpf is a bpffs.
    public let isBPFFSMounted: Bool
    /// Major and minor, `1.4`: the library does not tell more.
    public let libbpfVersion: String
    /// RLIMIT_MEMLOCK, which counts for BPF before 5.11; nil: unlimited.
    public let lockedMemoryLimitBytes: Int?

    /// - Note: some twenty small files, under 1 ms.
    public static func read() -> HostFacts {
        HostFacts(
            kernelRelease: FileSystem.text("/proc/sys/kernel/osrelease") ?? "unknown",
            hasBTF: FileSystem.exists("/sys/kernel/btf/vmlinux"), lockdown: lockdown,
            securityModules: (securityText("lsm") ?? "")
                .split(separator: ",").map(String.init),
            capabilities: capabilityNames(effectiveCapabilities),
            isJITEnabled: number("/proc/sys/net/core/bpf_jit_enable").map { $0 != 0 },
            unprivilegedBPFDisabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
            possibleCPUs: PossibleCPUs.count, tracefs: tracefsDirectory,
            isBPFFSMounted: isBPFFS("/sys/fs/bpf"), libbpfVersion: HostProbe.libbpfVersion,
            lockedMemoryLimitBytes: lockedMemoryLimit)
    }

    /// "none [integrity] confidentiality": the brackets are around the present one.
    static var lockdown: String? {
        securityText("lockdown").flatMap { text in
            text.split(separator: " ").first { $0.hasPrefix("[") }
                .map { String($0.dropFirst().dropLast()) }
        }
    }

    /// A file of securityfs, also where that is not mounted.
    private static func securityText(_ name: String) -> String? {
        if let text = FileSystem.text("/sys/kernel/security/" + name) { return text }
        do {
            let root = try FileSystem.detached("securityfs")
            return FileSystem.text("/proc/self/fd/\(root.raw)/" + name)
        } catch {
            return nil
        }
    }

    /// Whether a refusal by EPERM can be no lack of capabilities: CAP_SYS_ADMIN stands for CAP_BPF
    /// and CAP_PERFMON, and CAP_NET_ADMIN is its own.
    static var mayEverything: Bool {
        let needed: UInt64 = 1 << 12 | 1 << 21
        return effectiveCapabilities & needed == needed
    }

    /// Those of a process that may do everything with BPF, which this one has not.
    static var missingCapabilities: String {
        let has = effectiveCapabilities
        return [(39, "CAP_BPF"), (38, "CAP_PERFMON"), (12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")]
            .filter { has >> UInt64($0.0) & 1 == 0 }.map(\.1).joined(separator: ", ")
    }

    private static var effectiveCapabilities: UInt64 {
        let line = (FileSystem.text("/proc/self/status") ?? "").split(separator: "\n")
            .first { $0.hasPrefix("CapEff:") }
        return line.flatMap { $0.split(separator: "\t").last }.flatMap { UInt64($0, radix: 16) }
            ?? 0
    }

    /// Names by the bits of a mask as /proc/PID/status shows it; `CAP_41` where none is known.
    static func capabilityNames(_ mask: UInt64) -> [String] {
        (0..<64).filter { mask >> UInt64($0) & 1 == 1 }.map {
            "CAP_" + ($0 < names.count ? names[$0] : "\($0)")
        }
    }

    // linux/capability.h
    private static let names = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID",
        "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
        "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
        "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
        "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
        "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ]

    private static func number(_ path: String) -> Int? {
        FileSystem.text(path).flatMap { Int($0) }
    }

    private static var tracefsDirectory: String? {
        do { return try Tracepoints.directory() } catch { return nil }
    }

    private static func isBPFFS(_ path: String) -> Bool {
        do {
            guard case .bpf = try FileSystem.volume(path) else { return false }
            return true
        } catch {
            return false
        }
    }

    private static var lockedMemoryLimit: Int? {
        let line = (FileSystem.text("/proc/self/limits") ?? "").split(separator: "\n")
            .first { $0.hasPrefix("Max locked memory") }
        // "Max locked memory         8388608              8388608              bytes"
        return line.flatMap { $0.dropFirst(17).split(separator: " ").first }.flatMap { Int($0) }
    }
}
