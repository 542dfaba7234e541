internal import Synchronization

/// How far the foremost of a stream's readers has come, as they tell it: by any thread, without a
/// lock.
struct Lead: ~Copyable, Sendable {
    /// The next number that the foremost reader has yet to be given.
    private let next = Atomic<UInt64>(0)
    /// Entries that whoever was the foremost reader passed one by one; not those it jumped over.
    private let passed = Atomic<UInt64>(0)

    /// A reader came to `next` after it passed so many entries.
    borrowing func note(next: UInt64, passed: UInt64) {
        let before = self.next.max(next, ordering: .relaxed).oldValue
        // Behind the foremost one, and up to where that one was, this is no news.
        guard next > before else { return }
        self.passed.add(min(passed, next - before), ordering: .relaxed)
    }

    var place: (next: UInt64, passed: UInt64) {
        (next.load(ordering: .relaxed), passed.load(ordering: .relaxed))
    }
}
