internal import CLibbpf
internal import Linux

extension Program {
    /// `bpf_link_create` with this program. `prepare` fills what the kind needs.
    func createLink(
        target: Int32, _ type: AttachType,
        _ prepare: (inout bpf_link_create_opts) -> Void = { _ in }
    ) throws(BPFError) -> Link {
        var options = unsafe bpf_link_create_opts()
        unsafe options.sz = MemoryLayout<bpf_link_create_opts>.size
        unsafe prepare(&options)
        let result = unsafe bpf_link_create(
            descriptor.raw, target, bpf_attach_type(rawValue: type.rawValue), &options)
        try check("bpf_link_create", result)
        return try Link(owning: FileDescriptor(owning: result))
    }
}
