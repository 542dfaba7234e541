internal import CLibbpf
internal import Linux

/// A place in a file at whose execution a function runs.
struct Uprobe {
    /// The path as this process sees it: of another mount namespace, `/proc/<pid>/root/…`.
    let binary: String
    /// In the file, not an address.
    let offset: UInt64
    /// Of a USDT semaphore in the file; 0: none.
    let referenceCounterOffset: UInt32
    let processID: Int32?
    let isReturn: Bool
}

extension Program {
    /// Opens the probe's perf event and attaches to it.
    /// - Throws: `ENOENT` no such file; `EINVAL` the offset is beyond the file, or at no
    ///   instruction that can be probed; `ESRCH` no such process; `ENODEV` no CONFIG_UPROBES; `EIO`
    ///   a file system without mapped files.
    func attachUprobe(_ probe: Uprobe, cookie: UInt64?) throws(BPFError) -> Link {
        let unit = try PerfUnit("uprobe", needs: "CONFIG_UPROBE_EVENTS")
        var attributes = perf_event_attr()
        attributes.type = unit.type
        attributes.config =
            (probe.isReturn ? unit.returnBit : 0) | UInt64(probe.referenceCounterOffset) << 32
        attributes.config2 = probe.offset
        let event = try PerfEvent(attributes, text: probe.binary, processID: probe.processID)
        // A semaphore is counted down when the event is closed, not before.
        return try event.attach(
            self, cookie: cookie, keepsDescriptor: probe.referenceCounterOffset == 0)
    }
}
