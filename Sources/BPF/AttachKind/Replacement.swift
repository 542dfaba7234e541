internal import CLibbpf

extension Program {
    /// freplace: puts this function in the place of another program's.
    /// - Throws: `ENOENT` no such program; `EINVAL` the functions' types differ; `EBUSY` it is
    ///   replaced already; `EPERM` lockdown.
    func attachReplacement(programID: UInt32, typeID: UInt32) throws(BPFError) -> Link {
        let program = try Program(id: programID)
        // libbpf.c, bpf_program__attach_freplace: the attach type is 0, the type id says it all.
        return try unsafe createLink(target: program.descriptor.raw, AttachType(rawValue: 0)) {
            unsafe $0.target_btf_id = typeID
        }
    }
}
