extension Program {
    /// sk_lookup and flow_dissector.
    /// - Throws: `ENOENT` no such file; `EINVAL` it is no network namespace, or the function's type
    ///   is another; `EEXIST`, `E2BIG` there is a flow dissector, there are 64 of the others.
    func attachNetworkNamespace(path: String, _ type: AttachType) throws(BPFError) -> Link {
        try createLink(toFile: path, [.read], type)
    }
}
