internal import CLinux

/// The allocator of the C library, of which Swift's objects come too.
public enum Heap {
    /// Threads share so many arenas. By default each has its own, up to eight for each processor:
    /// what a rare large answer of each of twenty threads once took would stay in twenty places.
    private static let arenas: Int32 = 4
    /// What is larger comes from the kernel and goes back to it. By default that grows to 32 MiB
    /// with the first such piece that is freed, and uploads then leave holes in the arenas.
    private static let mappedBytes: Int32 = 256 << 10

    /// Keeps what the process holds near to what it uses. To be called before there are threads.
    ///
    /// Measured over ten minutes of `scripts/soak.py soak`; see docs/operations.md.
    public static func settle() {
        for (parameter, value) in [
            (apiary_arena_max, arenas), (apiary_mmap_threshold, mappedBytes),
            (apiary_trim_threshold, mappedBytes),
        ] {
            // It refuses nothing but parameters that it does not know.
            _ = mallopt(Int32(parameter), value)
        }
    }
}
