internal import Synchronization

/// Digests of objects that somebody works with, so that their files must stay: a load between
/// keeping the bytes and committing the row, a backup until it is sent.
final class ObjectHolds: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func take(_ digest: String) { counts.withLock { $0[digest, default: 0] += 1 } }

    func give(_ digest: String) {
        counts.withLock { counts in
            let left = (counts[digest] ?? 0) - 1
            counts[digest] = left > 0 ? left : nil
        }
    }

    func contains(_ digest: String) -> Bool { counts.withLock { $0[digest] != nil } }
}
