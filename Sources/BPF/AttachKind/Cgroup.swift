internal import Linux

extension Program {
    /// - Throws: `ENOENT` no such directory; `EBADF` it is no version 2 cgroup's; `EINVAL` the
    ///   function was loaded for another attach type; `EPERM` an ancestor allows no others.
    func attachCgroup(path: String, _ type: AttachType) throws(BPFError) -> Link {
        try createLink(toFile: path, [.read, .directory], type)
    }

    /// `bpf_link_create` on a file that stands for what is attached to.
    func createLink(toFile path: String, _ flags: OpenFlags, _ type: AttachType)
        throws(BPFError) -> Link
    {
        let file: FileDescriptor
        do { file = try FileDescriptor.open(path, flags) } catch {
            throw BPFError("open(\(path))", error)
        }
        return unsafe try createLink(target: file.raw, type)
    }
}
