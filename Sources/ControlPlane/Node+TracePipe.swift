internal import Events
internal import Linux
public import Problems

extension Node {
    /// Lets the pump take what programs print by `bpf_trace_printk`, from the first call on.
    public func openTracePipe() throws(Problem) {
        do {
            try traceTurn.withLock { _ throws(JournalError) in
                try events.openTracePipe(instance: events.traceInstance)
            }
        } catch {
            throw Problem(
                .hostLacks,
                "The text of bpf_trace_printk cannot be read: \(error.reason): mount tracefs on "
                    + "/sys/kernel/tracing; the kernel needs CONFIG_BPF_EVENTS, 5.9.",
                errno: error.errno?.name, cause: error)
        }
    }
}
