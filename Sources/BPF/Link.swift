internal import CLibbpf
public import Linux
internal import Synchronization

/// What the kernel says of a link (`struct bpf_link_info`).
public struct LinkInfo: Sendable {
    /// The kernel's id, reused after the link is gone: never a name.
    public let id: UInt32
    /// bpftool's name: `perf_event`, `raw_tracepoint` (tp_btf too), `tracing`, `uprobe_multi`, …
    public let typeName: String
    public let programID: UInt32
    /// What the link is attached to, as far as the kernel tells it for the type.
    public let place: LinkSite

    // linux: enum bpf_link_type up to 6.18; the words are libbpf's.
    private static let typeNames = [
        "unspec", "raw_tracepoint", "tracing", "cgroup", "iter", "netns", "xdp", "perf_event",
        "kprobe_multi", "struct_ops", "netfilter", "tcx", "uprobe_multi", "netkit", "sockmap",
    ]

    init(_ raw: bpf_link_info) {
        id = raw.id
        typeName = Self.typeName(raw.type)
        programID = raw.prog_id
        place = LinkSite(raw, typeName: typeName)
    }

    static func typeName(_ type: UInt32) -> String {
        type < Self.typeNames.count ? Self.typeNames[Int(type)] : "type \(type)"
    }

    /// For an attachment that is no link of the kernel's: `id` is 0.
    public init(typeName: String, programID: UInt32) {
        id = 0
        self.typeName = typeName
        self.programID = programID
        place = .other
    }
}

/// An attachment that the kernel holds as long as somebody holds the link or its pin.
///
/// Closing the last holder waits for the kernel: microseconds for a raw tracepoint, 40 ms for a
/// tracepoint, 125 ms for a uprobe. So let a `Link` die only on a thread that may block.
public final class Link: Sendable {
    let descriptor: FileDescriptor
    /// False where the kernel has no link for the kind (perf-based probes before 5.15): then the
    /// perf event of this object is the attachment, and it ends with this object.
    public let isPinnable: Bool
    private let event = Mutex<KeptEvent?>(nil)

    /// Opens the link pinned at `path`.
    /// - Throws: `ENOENT` no such pin; `EINVAL` the pin is not a link's; `EPERM`.
    public convenience init(pinned path: String) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(owning: check("bpf_obj_get", unsafe bpf_obj_get(path))))
    }

    /// Opens the link pinned at `path` and removes the pin: the caller holds it now.
    public convenience init(taking path: String) throws(BPFError) {
        try self.init(pinned: path)
        do { try FileSystem.unlink(path) } catch { throw BPFError("unlink(\(path))", error) }
    }

    /// - Throws: `ENOENT` no such link; `EPERM` without CAP_SYS_ADMIN.
    public convenience init(id: UInt32) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(
                owning: check("bpf_link_get_fd_by_id", bpf_link_get_fd_by_id(id))))
    }

    /// Takes over a descriptor of a link. - Throws: `EINVAL` where it is none of a link.
    public init(owning descriptor: consuming FileDescriptor) throws(BPFError) {
        try DescriptorKind.require(.link, of: descriptor.raw)
        self.descriptor = descriptor
        isPinnable = true
    }

    /// Takes over a perf event to which a program was attached by ioctl.
    init(perfEvent descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
        isPinnable = false
    }

    func keep(event descriptor: consuming FileDescriptor) {
        let kept = KeptEvent(descriptor)
        event.withLock { $0 = kept }
    }

    /// The perf event under the link, where it was kept open: then closing the link is quick, and
    /// the event is to be closed after it.
    public func takeEvent() -> KeptEvent? {
        event.withLock { event in
            defer { event = nil }
            return event
        }
    }

    /// - Throws: `EOPNOTSUPP` where `isPinnable` is false: there is no link to speak of.
    public func info() throws(BPFError) -> LinkInfo {
        try requireLink("bpf_link_get_info_by_fd")
        var raw = bpf_link_info()
        var length = UInt32(MemoryLayout<bpf_link_info>.size)
        try check(
            "bpf_link_get_info_by_fd",
            unsafe bpf_link_get_info_by_fd(descriptor.raw, &raw, &length))
        return LinkInfo(raw)
    }

    /// Pins the link at `path` in a bpffs: from now on it outlives this process.
    /// - Throws: `EEXIST`; `EPERM` where `path` is in no bpffs, and for a name with a dot;
    ///   `EOPNOTSUPP` where `isPinnable` is false.
    public func pin(_ path: String) throws(BPFError) {
        try requireLink("bpf_obj_pin")
        try check("bpf_obj_pin", unsafe bpf_obj_pin(descriptor.raw, path))
    }

    /// Cuts the link from its target at once, whoever else holds it.
    /// - Throws: `EOPNOTSUPP` perf, tracing and multi links: they end with their last holder.
    /// - Note: Kernel 5.9.
    public func detach() throws(BPFError) {
        try requireLink("bpf_link_detach")
        try check("bpf_link_detach", bpf_link_detach(descriptor.raw))
    }

    /// Puts `program` in the place of the link's program without a gap.
    /// - Throws: `EINVAL`, `EOPNOTSUPP` perf, tracing and multi links.
    /// - Note: Kernel 5.7. Never of a struct_ops link: its update takes a map, and crashes.
    public func update(to program: Program) throws(BPFError) {
        try requireLink("bpf_link_update")
        try check(
            "bpf_link_update",
            bpf_link_update(descriptor.raw, program.descriptor.raw, nil))
    }

    /// Waits until no link with `id` is left in the kernel, after pin and descriptors are gone.
    /// False after `timeoutMilliseconds`. Blocks.
    ///
    /// The kernel takes the id away just before it detaches, so unlink the pin first and let the
    /// `Link` die last: the close of a last descriptor returns when the link is detached.
    public static func waitUntilGone(id: UInt32, timeoutMilliseconds: Int) -> Bool {
        let deadline = Clock.monotonicNanoseconds() + UInt64(timeoutMilliseconds) * 1_000_000
        var pause: UInt64 = 200_000
        while exists(id: id) {
            guard Clock.monotonicNanoseconds() < deadline else { return false }
            Clock.sleep(nanoseconds: pause)
            pause = min(pause * 2, 20_000_000)
        }
        return true
    }

    /// Whether the kernel has a link of this id. Takes no hold of it.
    public static func exists(id: UInt32) -> Bool {
        guard id > 0 else { return false }
        var next: UInt32 = 0
        return unsafe bpf_link_get_next_id(id - 1, &next) == 0 && next == id
    }

    private func requireLink(_ call: String) throws(BPFError) {
        guard isPinnable else {
            throw BPFError(
                call, .eopnotsupp, log: "this kernel has no link for perf events; 5.15 has")
        }
    }
}
