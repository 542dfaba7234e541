internal import CLibbpf

extension Program {
    /// Opens the tracepoint's perf event and attaches to it.
    /// - Throws: `ENOENT` no such tracepoint (`Tracepoints.names` has the near ones); `ENODEV` no
    ///   tracefs; `EACCES` the function reads beyond the tracepoint's record.
    func attachTracepoint(category: String, name: String, cookie: UInt64?) throws(BPFError) -> Link
    {
        var attributes = perf_event_attr()
        attributes.type = UInt32(PERF_TYPE_TRACEPOINT.rawValue)
        attributes.config = try Tracepoints.id(category: category, name: name)
        let event = try PerfEvent(attributes, processID: nil)
        return try event.attach(self, cookie: cookie)
    }
}
