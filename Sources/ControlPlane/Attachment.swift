internal import BPF
internal import Linux
internal import Synchronization

/// A probe's kernel side: its links with their pins, or its filter, and what was known of them when
/// they were made or adopted.
final class Attachment: Sendable {
    enum Hold: Sendable {
        case link(Link)
        case filter(HeldFilter)
    }

    /// Of the first link; of a filter or a descriptor that is no link, with the id 0.
    var info: LinkInfo { infos[0] }
    /// All ids, none where the kernel makes no link.
    let linkIDs: [UInt32]
    /// The base name of the pins below our bpffs directory.
    let pin: String
    let isPinned: Bool
    /// As they were made.
    private let infos: [LinkInfo]
    private let pinPaths: [String]
    private let holds: Mutex<[Hold]>

    /// - Parameter pinPaths: one for each hold, or none where they cannot be pinned.
    init(_ holds: [Hold], infos: [LinkInfo], pin: String, pinPaths: [String]) {
        precondition(!infos.isEmpty, "an attachment of \(holds.count) holds needs an info")
        self.infos = infos
        linkIDs = infos.map(\.id).filter { $0 != 0 }
        self.pin = pin
        self.pinPaths = pinPaths
        isPinned = !pinPaths.isEmpty
        self.holds = Mutex(holds)
    }

    /// Each hold with its pin, for looking after them; empty where nothing can be pinned.
    var pinned: [(hold: Hold, id: UInt32, path: String)] {
        let holds = holds.withLock { $0 }
        return zip(zip(holds, infos), pinPaths).map { ($0.0, $0.1.id, $1) }
    }

    /// The same holds under another pin's name, which the caller makes.
    func renamed(_ pin: String, _ pinPaths: [String]) -> Attachment {
        Attachment(holds.withLock { $0 }, infos: infos, pin: pin, pinPaths: pinPaths)
    }

    /// Removes the pins and closes the links, then waits until the kernel has let go of them.
    ///
    /// Closing waits for RCU: 37 ms for a tracepoint, 125 ms for a uprobe. Workers only.
    func detach() throws(Errno) {
        for filter in filters { try filter.detach() }
        for (hold, id, path) in pinned where Self.isOurs(hold, id, path) {
            try FileSystem.unlink(path)
        }
        fault(.afterUnpin)
        // The last references end here and nowhere later: the wait below is for that.
        holds.withLock { $0 = [] }
        for id in linkIDs where !Link.waitUntilGone(id: id, timeoutMilliseconds: 5000) {
            throw .ebusy
        }
        fault(.afterDetach)
    }

    /// Whether what is pinned at `path` is the hold itself, and not what somebody put in its place.
    private static func isOurs(_ hold: Hold, _ id: UInt32, _ path: String) -> Bool {
        guard case .link = hold else { return FileSystem.kind(path) == .symbolicLink }
        do throws(BPFError) { return try Link(pinned: path).info().id == id } catch {
            // What does not open as a link, or is not there, is not ours to remove.
            return error.isShortage && FileSystem.exists(path)
        }
    }

    private var filters: [HeldFilter] {
        holds.withLock { holds in
            holds.compactMap { hold in
                if case .filter(let filter) = hold { filter } else { nil }
            }
        }
    }

    /// Puts another function in the place of this one's without a gap.
    /// - Throws: what the kernel says; then the first links may run the new function already.
    func update(to program: Program) throws(BPFError) {
        let held = holds.withLock { $0 }
        for hold in held {
            switch hold {
            case .link(let link): try link.update(to: program)
            case .filter(let filter): try filter.replace(with: program)
            }
            fault(.afterUpdate)
        }
    }

    /// The first link; nil of a filter, and once it is detached.
    var link: Link? {
        holds.withLock { holds in
            guard case .link(let link)? = holds.first else { return nil }
            return link
        }
    }
}

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

    /// nil where there is no such filter any more.
    func programID() -> UInt32? { within { filter.programID() } ?? nil }

    /// nil where the namespace is gone.
    private func within<R: Sendable>(_ body: @escaping @Sendable () -> R) -> R? {
        guard let namespace else { return body() }
        do { return try NetworkNamespace.within(namespace, body) } catch { return nil }
    }
}
