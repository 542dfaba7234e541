internal import CLibbpf

/// A perf counter at whose overflow a function runs, on one CPU or for one process.
public struct PerfCounter: Sendable, Hashable {
    /// How often the function runs.
    public enum Sampling: Sendable, Hashable {
        /// Once for so many events; for a clock, nanoseconds.
        case period(UInt64)
        /// About so many times a second.
        case frequency(UInt64)
    }

    /// `PERF_TYPE_…`: 0 hardware, 1 software.
    public let type: UInt32
    /// `PERF_COUNT_…` of the type; software 0 is the CPU's clock.
    public let config: UInt64
    public let sampling: Sampling
    /// nil: every process, on `cpu`.
    public let processID: Int32?
    /// nil: of a process every CPU, else CPU 0.
    public let cpu: Int32?

    public init(
        type: UInt32, config: UInt64, sampling: Sampling, processID: Int32?,
        cpu: Int32? = nil
    ) {
        self.type = type
        self.config = config
        self.sampling = sampling
        self.processID = processID
        self.cpu = cpu
    }
}

extension Program {
    /// - Throws: `ENOENT`, `EOPNOTSUPP` no such counter on this machine; `EINVAL` a frequency above
    ///   `kernel.perf_event_max_sample_rate`; `ENODEV` no such CPU; `ESRCH` no such process.
    func attachPerfEvent(_ counter: PerfCounter, cookie: UInt64?) throws(BPFError) -> Link {
        var attributes = perf_event_attr()
        attributes.type = counter.type
        attributes.config = counter.config
        switch counter.sampling {
        case .period(let events): attributes.sample_period = events
        case .frequency(let hertz):
            attributes.sample_freq = hertz
            attributes.freq = 1
        }
        let event = try PerfEvent(
            attributes, processID: counter.processID, cpu: counter.cpu)
        return try event.attach(self, cookie: cookie)
    }
}
