internal import CLibbpf
internal import Linux

/// A perf event, opened only to attach a program to it.
struct PerfEvent: ~Copyable {
    let descriptor: FileDescriptor

    /// perf_event_open(2) with close-on-exec.
    /// - Parameters:
    ///   - text: what `config1` points at: a uprobe's file, a kprobe's function.
    ///   - processID: nil: every process, on `cpu`.
    ///   - cpu: nil: of a process every CPU, else CPU 0.
    init(
        _ attributes: perf_event_attr, text: String? = nil, processID: Int32?, cpu: Int32? = nil
    ) throws(BPFError) {
        var attributes = attributes
        attributes.size = UInt32(MemoryLayout<perf_event_attr>.size)
        let result = unsafe (text ?? "").withCString { address in
            // SAFETY: the kernel copies the text within this call.
            if text != nil { attributes.config1 = UInt64(UInt(bitPattern: address)) }
            return unsafe apiary_perf_event_open(
                &attributes, processID ?? -1, cpu ?? (processID == nil ? 0 : -1), -1,
                UInt(PERF_FLAG_FD_CLOEXEC))
        }
        descriptor = FileDescriptor(owning: try checkErrno("perf_event_open", result))
    }

    /// Makes the link, which keeps the event.
    ///
    /// Before 5.15 there is no such link: the program is set by ioctl, and the descriptor becomes
    /// the attachment.
    /// - Parameter keepsDescriptor: the descriptor stays open too, see `KeptEvent`.
    consuming func attach(_ program: Program, cookie: UInt64?, keepsDescriptor: Bool = true)
        throws(BPFError) -> Link
    {
        do {
            let link = unsafe try program.createLink(target: descriptor.raw, .perfEvent) {
                unsafe $0.perf_event.bpf_cookie = cookie ?? 0
            }
            try enable()
            // Few enough that descriptors do not run out of them.
            if keepsDescriptor, descriptor.raw < Self.mostKept { link.keep(event: descriptor) }
            return link
        } catch {
            guard error.errno == .einval, !Self.kernelHasLinks(program) else { throw error }
        }
        guard cookie == nil else {
            throw BPFError("bpf_link_create", .eopnotsupp, log: "a cookie needs kernel 5.15")
        }
        try checkErrno(
            "ioctl(PERF_EVENT_IOC_SET_BPF)",
            apiary_perf_event_set_bpf(descriptor.raw, program.descriptor.raw))
        try enable()
        return Link(perfEvent: descriptor)
    }

    /// Descriptors below a third of what this process may have.
    private static let mostKept = Int32(clamping: ProcessLimits.descriptors / 3)

    private borrowing func enable() throws(BPFError) {
        try checkErrno("ioctl(PERF_EVENT_IOC_ENABLE)", apiary_perf_event_enable(descriptor.raw))
    }

    /// A kernel that knows the attach type complains of the descriptor -1, an older one of the
    /// type.
    private static func kernelHasLinks(_ program: Program) -> Bool {
        do {
            _ = unsafe try program.createLink(target: -1, .perfEvent)
            return true
        } catch {
            return error.errno == .ebadf
        }
    }
}

/// A perf PMU that the kernel lists in sysfs: `kprobe`, `uprobe`.
struct PerfUnit {
    let type: UInt32
    /// The bit of `config` that makes a return probe.
    let returnBit: UInt64

    /// - Throws: `ENODEV` where the kernel was built without the unit.
    init(_ name: String, needs option: String) throws(BPFError) {
        let directory = "/sys/bus/event_source/devices/\(name)"
        guard let type = FileSystem.text(directory + "/type").flatMap({ UInt32($0) }) else {
            throw BPFError(
                "perf_event_open", .enodev,
                log: "\(directory) is not there: the kernel is built without \(option)")
        }
        self.type = type
        // "config:0"
        let format = FileSystem.text(directory + "/format/retprobe") ?? "config:0"
        returnBit = 1 << (format.split(separator: ":").last.flatMap { UInt64($0) } ?? 0)
    }
}
