internal import Synchronization

/// How many objects were loaded, how many were not and where they ended, and how long it took.
public final class LoaderStatistics: Sendable {
    public struct Snapshot: Sendable {
        public var loaded: UInt64 = 0
        /// By the stage at which they ended; stages that never did are left out.
        public var failed: [LoadFailure.Stage: UInt64] = [:]
        /// All of them together, from the child's start to its end.
        public var nanoseconds: UInt64 = 0

        /// Nothing yet.
        public init() {}
    }

    private let state = Mutex(Snapshot())

    init() {}

    public var snapshot: Snapshot { state.withLock { $0 } }

    /// - Parameter stage: `nil` where it was loaded.
    func count(_ stage: LoadFailure.Stage?, nanoseconds: UInt64) {
        state.withLock { state in
            if let stage { state.failed[stage, default: 0] += 1 } else { state.loaded += 1 }
            state.nanoseconds += nanoseconds
        }
    }
}
