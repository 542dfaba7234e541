internal import CLibbpf

/// The CPUs that this machine may ever have: per-CPU values come for each of them.
public enum PossibleCPUs {
    /// From /sys/devices/system/cpu/possible, read once.
    public static let count: Int = {
        let count = libbpf_num_possible_cpus()
        guard count > 0 else {
            preconditionFailure("libbpf_num_possible_cpus answered \(count)")
        }
        return Int(count)
    }()
}
