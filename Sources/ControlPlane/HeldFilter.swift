internal import BPF
internal import Linux

/// A tc filter, the namespace of its interface, and the text by which a later daemon knows it: it
/// has no pin, so a symbolic link in our bpffs says where it is.
struct HeldFilter: Sendable, Hashable {
    let filter: TrafficControlFilter
    /// nil: the daemon's own.
    let namespace: String?

    init(_ filter: TrafficControlFilter, namespace: String?) {
        self.filter = filter
        self.namespace = namespace
    }

    /// `tc 4 ingress 49152 7 /run/netns/blue`: interface, direction, priority, handle, namespace.
    var text: String {
        "tc \(filter.interfaceIndex) \(filter.isIngress ? "ingress" : "egress") "
            + "\(filter.priority) \(filter.handle) \(namespace ?? "-")"
    }

    init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 5).map(String.init)
        guard words.count == 6, words[0] == "tc", let index = UInt32(words[1]),
            let priority = UInt32(words[3]), let handle = UInt32(words[4])
        else { return nil }
        filter = TrafficControlFilter(
            interfaceIndex: index, isIngress: words[2] == "ingress", priority: priority,
            handle: handle)
        namespace = words[5] == "-" ? nil : words[5]
    }

    /// One that is gone, with its interface or namespace, is fine.
    func detach() throws(Errno) {
        let outcome = within { () -> Errno? in
            do throws(BPFError) { try filter.detach() } catch { return error.errno }
            return nil
        }
        if let failure = outcome ?? nil { throw failure }
    }

    func replace(with program: Program) throws(BPFError) {
        let outcome = within { () -> BPFError? in
            do throws(BPFError) { try filter.replace(with: program) } catch { return error }
            return nil
        }
        guard let failure = outcome else { throw BPFError("setns", .enoent) }
        if let failure { throw failure }
    }

    func presence() -> Presence {
        let id: UInt32? = within { filter.programID() } ?? nil
        return id.map { .runs(programID: $0) } ?? .gone
    }

    /// nil where the namespace is gone.
    private func within<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R? {
        guard let namespace else { return body() }
        do { return try NetworkNamespace.within(namespace, body) } catch { return nil }
    }
}
