#if APIARY_FAULTS
    internal import Glibc
    internal import Synchronization
#endif

/// A place in the course of a change or of a start where a test may end the daemon, as a crash
/// would.
public enum FaultPoint: Sendable, Hashable, CaseIterable {
    /// The intent is in the registry, nothing is in the kernel.
    case afterIntent
    /// The load's directory is made, the loader does not run yet.
    case beforeLoad
    /// The loader has pinned functions and maps.
    case afterLoad
    /// The object's bytes are on the disk, their row is not.
    case afterKeep
    /// The note of a tc filter is there, the filter is not.
    case afterNote
    /// The kernel has the link, and it is not pinned.
    case afterAttach
    /// The link is pinned.
    case afterPin
    /// A link runs the function of another load.
    case afterUpdate
    /// One variable of a loaded program is written.
    case afterGlobal
    /// An entry of a map is written that a manifest declares.
    case afterEntry
    /// In the transaction, all of it written.
    case beforeCommit
    /// The transaction is on the disk.
    case afterCommit
    /// A link's pins are removed, the link is still held.
    case afterUnpin
    /// A link is gone from the kernel.
    case afterDetach
    /// A load's pins are removed.
    case afterUnload
    /// The intents of what has ended are forgotten.
    case afterForget
    /// In a migration's transaction, its statements done.
    case inMigration
    /// The schema is as this release wants it.
    case afterMigration
    /// At a start: the pins of unfinished changes are removed, their intents are not.
    case afterUndo
    /// At a start: one program is in the kernel again, and not recorded.
    case afterBringBack
    /// At a start: all is in the kernel and recorded, strays are not removed.
    case beforeReady
}

#if APIARY_FAULTS
    extension FaultPoint {
        /// `after-bring-back`, as `APIARY_FAULT` has it.
        public var name: String {
            "\(self)".map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }.joined()
        }
    }

    /// What `APIARY_FAULT` asks for: `after-commit`, or `after-commit:3` for the third time.
    private let wanted: (point: FaultPoint, time: Int)? = {
        guard let value = unsafe getenv("APIARY_FAULT") else { return nil }
        let parts = unsafe String(cString: value).split(separator: ":").map(String.init)
        guard let point = FaultPoint.allCases.first(where: { $0.name == parts.first }) else {
            return nil
        }
        return (point, parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
    }()
    private let passed = Mutex(0)

    /// Ends this process with SIGKILL where the environment's `APIARY_FAULT` names `point`.
    ///
    /// Only in debug builds: in a release build it is nothing.
    public func fault(_ point: FaultPoint) {
        guard let wanted, wanted.point == point else { return }
        let isNow = passed.withLock { count in
            count += 1
            return count == wanted.time
        }
        if isNow { kill(getpid(), SIGKILL) }
    }
#else
    /// Nothing in a release build; in a debug build it ends the process where the environment's
    /// `APIARY_FAULT` names `point`.
    @inlinable public func fault(_ point: FaultPoint) {}
#endif
