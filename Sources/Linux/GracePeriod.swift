internal import CLinux

/// The kernel's RCU.
public enum GracePeriod {
    /// Returns when every processor has come out of what it was in when this was called: a BPF
    /// function that was taken from its hook before runs nowhere any more. 10 to 20 ms.
    /// - Returns: false where the kernel does not do it (with `nohz_full`, or without
    ///   CONFIG_MEMBARRIER).
    /// - Note: Kernel 4.3. Calls `membarrier`, whose MEMBARRIER_CMD_GLOBAL is one grace period.
    public static func wait() -> Bool { apiary_membarrier_global() == 0 }
}
