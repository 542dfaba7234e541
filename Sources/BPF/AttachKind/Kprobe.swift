internal import CLibbpf

extension Program {
    /// Opens the probe's perf event and attaches to it. On a system call's function the name has
    /// the architecture's prefix, `__x64_sys_openat`.
    /// - Throws: `ENOENT` no such symbol; `EINVAL` the offset is at no instruction, or the function
    ///   may not be probed; `EADDRNOTAVAIL` the name is several functions'; `ENODEV` no
    ///   CONFIG_KPROBES; `EPERM` lockdown.
    func attachKprobe(symbol: String, offset: UInt64, isReturn: Bool, cookie: UInt64?)
        throws(BPFError) -> Link
    {
        let unit = try PerfUnit("kprobe", needs: "CONFIG_KPROBE_EVENTS")
        var attributes = perf_event_attr()
        attributes.type = unit.type
        attributes.config = isReturn ? unit.returnBit : 0
        attributes.config2 = offset
        let event = try PerfEvent(attributes, text: symbol, processID: nil)
        return try event.attach(self, cookie: cookie)
    }
}
