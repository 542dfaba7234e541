internal import Linux
internal import Synchronization

/// One change at a time for each program name, in the order of asking; changes of other programs
/// run beside it. A thread that waits here is a worker's.
final class NameLocks: Sendable {
    private struct State {
        var held: Set<String> = []
        var waiting: [(names: Set<String>, ticket: ThreadGate)] = []
    }

    private let state = Mutex(State())

    /// Runs `body` while no other change holds one of `names`.
    func withLock<R, E: Error>(_ names: Set<String>, _ body: () throws(E) -> R) throws(E) -> R {
        take(names)
        defer { give(names) }
        return try body()
    }

    /// Runs `body` if no other change holds one of `names` now.
    /// - Returns: whether it ran.
    func tryWithLock<E: Error>(_ names: Set<String>, _ body: () throws(E) -> Void) throws(E)
        -> Bool
    {
        let isTaken = state.withLock { state in
            guard state.held.isDisjoint(with: names),
                state.waiting.allSatisfy({ $0.names.isDisjoint(with: names) })
            else { return false }
            state.held.formUnion(names)
            return true
        }
        guard isTaken else { return false }
        defer { give(names) }
        try body()
        return true
    }

    private func take(_ names: Set<String>) {
        let gate: ThreadGate? = state.withLock { state in
            let isFree =
                state.held.isDisjoint(with: names)
                && state.waiting.allSatisfy { $0.names.isDisjoint(with: names) }
            if isFree {
                state.held.formUnion(names)
                return nil
            }
            let gate = ThreadGate()
            state.waiting.append((names, gate))
            return gate
        }
        gate?.wait()
    }

    private func give(_ names: Set<String>) {
        let opened: [ThreadGate] = state.withLock { state in
            state.held.subtract(names)
            var opened: [ThreadGate] = []
            var blocked: Set<String> = []
            state.waiting.removeAll { waiter in
                guard state.held.isDisjoint(with: waiter.names),
                    blocked.isDisjoint(with: waiter.names)
                else {
                    blocked.formUnion(waiter.names)
                    return false
                }
                state.held.formUnion(waiter.names)
                opened.append(waiter.ticket)
                return true
            }
            return opened
        }
        for gate in opened { gate.open() }
    }
}
