internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// One kind of attachment: what its document may say, which functions it is for, and how the one
/// becomes a place in the kernel for the other. One file a kind; `AttachKinds.all` is the table.
protocol AttachKind: Sendable {
    /// api.md's word, `raw_tracepoint`.
    var name: String { get }
    /// What a document of the kind may say beside `kind`, in the order in which it is shown.
    var members: [AttachMember] { get }
    /// Of each group one must be given: `[["binary"], ["symbol", "offset"]]`.
    var needs: [[String]] { get }
    /// Of each group at most one may be given.
    var excludes: [[String]] { get }
    /// What libbpf calls the kind in a section's name, before the first slash: `kprobe`.
    var sections: [String] { get }
    /// Whether the load made the function for this kind.
    func fits(_ function: LoadReport.Function) -> Bool
    /// What a section's name says beside the kind.
    /// - Parameter section: one of `sections`; `rest`: what follows its slash.
    func members(ofSection section: String, _ rest: String) -> JSONObject
    /// What the document does not say because the load has fixed it.
    func fixed(for function: LoadReport.Function) -> JSONObject
    /// The places, a link for each. Runs in the document's network namespace.
    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget]
    /// Of tc, and of other kinds on kernels that have no link for them: what is attached instead.
    /// Runs in the document's network namespace.
    /// - Parameter namespace: the path of that, nil for the daemon's own.
    func resident(at site: AttachSite, handle: UInt32, namespace: String?) throws(Problem)
        -> Resident?
    /// struct_ops alone: a link that no target's call makes. Not pinned yet.
    func link(at site: AttachSite) throws(Problem) -> Link?
    /// The kernel's refusal in words of the request; nil where it needs no others than the usual.
    /// Runs in the document's network namespace.
    func explain(_ error: BPFError, at site: AttachSite) -> Problem?
    /// Whether `netns` is the namespace to attach in, not what is attached to.
    var entersNamespace: Bool { get }
    /// Whether the kernel exchanges the program of such a link without a gap.
    var isUpdatable: Bool { get }
    /// The link type by the kernel's word, for what the kernel gives no link.
    var linkTypeName: String { get }
}

extension AttachKind {
    var needs: [[String]] { [] }
    var excludes: [[String]] { [] }
    var sections: [String] { [] }
    func members(ofSection section: String, _ rest: String) -> JSONObject { JSONObject() }
    func fixed(for function: LoadReport.Function) -> JSONObject { JSONObject() }
    func resident(at site: AttachSite, handle: UInt32, namespace: String?) throws(Problem)
        -> Resident?
    { nil }
    func link(at site: AttachSite) throws(Problem) -> Link? { nil }
    func explain(_ error: BPFError, at site: AttachSite) -> Problem? { nil }
    var entersNamespace: Bool { true }
    var isUpdatable: Bool { false }
    var linkTypeName: String { "perf_event" }
}

extension LoadReport.Function {
    /// Whether the load fixed one of these attach types.
    func expects(_ types: AttachType...) -> Bool {
        types.contains(AttachType(rawValue: expectedAttachType))
    }
}
