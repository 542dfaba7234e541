internal import BPF
internal import Linux
internal import Synchronization

/// A probe's kernel side: its links with their pins, or what it has without a link, and what was
/// known of them when they were made or adopted.
final class Attachment: Sendable {
    enum Hold: Sendable {
        case link(Link)
        case resident(Resident)
    }

    /// Of the first link; of a resident or a descriptor that is no link, with the id 0.
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
    /// Closing waits for RCU: 37 ms for a tracepoint, 125 ms for a uprobe; where their perf events
    /// were kept, 30 ms. Workers only.
    /// - Returns: those events: no function runs by them once a grace period is over, and they are
    ///   left to be closed.
    func detach() throws(Errno) -> [KeptEvent] {
        for resident in residents { try resident.detach() }
        for (hold, id, path) in pinned where Self.isOurs(hold, id, path) {
            try FileSystem.unlink(path)
        }
        fault(.afterUnpin)
        let events = holds.withLock { holds in
            holds.compactMap { hold -> KeptEvent? in
                guard case .link(let link) = hold else { return nil }
                return link.takeEvent()
            }
        }
        // The last references end here and nowhere later: the wait below is for that.
        holds.withLock { $0 = [] }
        for id in linkIDs where !Link.waitUntilGone(id: id, timeoutMilliseconds: 5000) {
            throw .ebusy
        }
        fault(.afterDetach)
        return events
    }

    /// Whether what is pinned at `path` is the hold itself, and not what somebody put in its place.
    private static func isOurs(_ hold: Hold, _ id: UInt32, _ path: String) -> Bool {
        guard case .link = hold else { return FileSystem.kind(path) == .symbolicLink }
        do throws(BPFError) { return try Link(pinned: path).info().id == id } catch {
            // What does not open as a link, or is not there, is not ours to remove.
            return error.isShortage && FileSystem.exists(path)
        }
    }

    /// Whether `detach` was called.
    var isDetached: Bool { holds.withLock { $0.isEmpty } }

    /// What is attached without a link.
    var residents: [Resident] {
        holds.withLock { holds in
            holds.compactMap { hold in
                if case .resident(let resident) = hold { resident } else { nil }
            }
        }
    }

    /// Puts another function in the place of this one's without a gap.
    /// - Throws: what the kernel says; then the first links may run the new function already.
    func update(to program: Program) throws(BPFError) {
        for (index, hold) in holds.withLock({ $0 }).enumerated() {
            switch hold {
            case .link(let link): try link.update(to: program)
            case .resident(let resident):
                let next = try resident.replace(with: program, notedAt: pinPaths[index])
                holds.withLock { $0[index] = .resident(next) }
            }
            fault(.afterUpdate)
        }
    }

    /// The first link; nil of a resident, and once it is detached.
    var link: Link? {
        holds.withLock { holds in
            guard case .link(let link)? = holds.first else { return nil }
            return link
        }
    }
}
