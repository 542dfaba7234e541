internal import Synchronization

/// What all programs that write into one ring have lost together.
final class SharedCounter: LostCounter {
    private struct State {
        var counters: [StreamKey: (any LostCounter)?] = [:]
        /// Of those that write no more.
        var gone: UInt64 = 0
    }
    private let state = Mutex(State())

    /// Whether each of them counts.
    var isComplete: Bool {
        state.withLock { state in
            !state.counters.isEmpty && state.counters.values.allSatisfy { $0 != nil }
        }
    }

    /// A program that was replaced and kept its ring counts anew: what it counted before stays.
    func add(_ key: StreamKey, _ counter: (any LostCounter)?) {
        state.withLock { state in
            let former = state.counters.updateValue(counter, forKey: key) ?? nil
            let before = former?.lostRecords() ?? 0
            // The same counter does not go back.
            if counter?.lostRecords() ?? 0 < before { state.gone += before }
        }
    }

    func remove(_ key: StreamKey) {
        state.withLock { state in
            let counter = state.counters.removeValue(forKey: key) ?? nil
            state.gone += counter?.lostRecords() ?? 0
        }
    }

    /// `nil` where one of them does not count.
    func lostRecords() -> UInt64? {
        state.withLock { state in
            var sum = state.gone
            for counter in state.counters.values {
                guard let count = counter?.lostRecords() else { return nil }
                sum += count
            }
            return state.counters.isEmpty ? nil : sum
        }
    }
}
