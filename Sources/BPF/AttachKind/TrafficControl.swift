internal import CLibbpf
internal import Linux

/// A classifier on an interface's clsact queueing discipline, in the calling thread's network
/// namespace.
///
/// It is no link: it lives in the interface, with no descriptor and no pin, until somebody deletes
/// it. These four numbers are all there is to know it by.
public struct TrafficControlFilter: Sendable, Hashable {
    public let interfaceIndex: UInt32
    public let isIngress: Bool
    /// 1 to 65535; lower runs first.
    public let priority: UInt32
    /// Not 0. Filters of one priority have different ones.
    public let handle: UInt32

    public init(interfaceIndex: UInt32, isIngress: Bool, priority: UInt32, handle: UInt32) {
        self.interfaceIndex = interfaceIndex
        self.isIngress = isIngress
        self.priority = priority
        self.handle = handle
    }

    /// Adds the filter, and the clsact where the interface has none; that stays.
    /// - Throws: `ENODEV`, `EINVAL` no such interface; `EEXIST` handle and priority are taken;
    ///   `ENOENT`, `EOPNOTSUPP` a kernel without CONFIG_NET_CLS_BPF or CONFIG_NET_SCH_INGRESS.
    /// - Note: Kernel 4.5, direct action. Netlink; blocks under 1 ms.
    public func attach(_ program: Program) throws(BPFError) {
        try quietly { () throws(BPFError) in
            var hook = self.hook
            let result = unsafe bpf_tc_hook_create(&hook)
            if result != -EEXIST { try check("bpf_tc_hook_create", result) }
            var options = self.options
            options.prog_fd = program.descriptor.raw
            try check("bpf_tc_attach", unsafe bpf_tc_attach(&hook, &options))
        }
    }

    /// Puts `program` in the place of the filter's program without a gap.
    public func replace(with program: Program) throws(BPFError) {
        try quietly { () throws(BPFError) in
            var hook = self.hook
            var options = self.options
            options.prog_fd = program.descriptor.raw
            options.flags = UInt32(BPF_TC_F_REPLACE.rawValue)
            try check("bpf_tc_attach", unsafe bpf_tc_attach(&hook, &options))
        }
    }

    /// Removes the filter; one that is not there is fine.
    public func detach() throws(BPFError) {
        try quietly { () throws(BPFError) in
            var hook = self.hook
            var options = self.options
            let result = unsafe bpf_tc_detach(&hook, &options)
            // ENOENT: no such filter; EINVAL: no clsact any more; ENODEV: no interface.
            if ![-ENOENT, -EINVAL, -ENODEV].contains(result) {
                try check("bpf_tc_detach", result)
            }
        }
    }

    /// The id of the filter's program; nil where there is no such filter.
    public func programID() -> UInt32? {
        quietly {
            var hook = self.hook
            var options = self.options
            return unsafe bpf_tc_query(&hook, &options) == 0 ? options.prog_id : nil
        }
    }

    // The sizes end with the last member: libbpf wants what lies behind it to be 0, and a copy of a
    // structure in Swift leaves anything in its padding.
    private var hook: bpf_tc_hook {
        var hook = bpf_tc_hook()
        hook.sz = MemoryLayout<bpf_tc_hook>.offset(of: \.parent).map { $0 + 4 } ?? 0
        hook.ifindex = Int32(bitPattern: interfaceIndex)
        hook.attach_point = isIngress ? BPF_TC_INGRESS : BPF_TC_EGRESS
        return hook
    }

    private var options: bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = MemoryLayout<bpf_tc_opts>.offset(of: \.priority).map { $0 + 4 } ?? 0
        options.priority = priority
        options.handle = handle
        return options
    }

    /// libbpf prints the kernel's refusals to stderr, which is the daemon's log.
    private func quietly<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        let printer = unsafe libbpf_set_print(nil)
        defer { unsafe _ = libbpf_set_print(printer) }
        return try body()
    }
}
