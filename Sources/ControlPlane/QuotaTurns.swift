internal import Linux
internal import Problems
internal import Synchronization

/// What a change on its way may take of the limits, before it is registered and counts by itself.
struct QuotaClaim: Sendable {
    var programs = 0
    var probes = 0
    var objects = 0
    var maps = 0
    var mapMemoryBytes = 0

    static func + (one: QuotaClaim, other: QuotaClaim) -> QuotaClaim {
        QuotaClaim(
            programs: one.programs + other.programs, probes: one.probes + other.probes,
            objects: one.objects + other.objects, maps: one.maps + other.maps,
            mapMemoryBytes: one.mapMemoryBytes + other.mapMemoryBytes)
    }
}

/// Keeps changes that run beside each other from passing one limit together.
///
/// How many maps an object has is known only once the loader has it open. So each change that
/// shares may take a quarter of what is left of each limit, and no two the same; one that needs
/// more does it again alone, with all that is left.
final class QuotaTurns: Sendable {
    private struct State {
        var claims: [Int: [String: QuotaClaim]] = [:]
        var next = 0
        var isAlone = false
        var waiting: [(id: Int, alone: Bool, gate: ThreadGate)] = []
    }

    /// The turn that this thread has; nil for what the daemon does of itself.
    @TaskLocal static var current: QuotaTurn?

    private let state = Mutex(State())

    /// Runs a change, and where a limit is in its way again, alone. What it did has to be undone
    /// when it throws. The caller may hold locks of names; whoever has a turn waits for no other
    /// lock than a digest's.
    func run<R>(_ body: () throws(Problem) -> R) throws(Problem) -> R {
        do throws(Problem) { return try run(alone: false, body) } catch {
            guard error.type == .quotaExceeded else { throw error }
            return try run(alone: true, body)
        }
    }

    private func run<R>(alone: Bool, _ body: () throws(Problem) -> R) throws(Problem) -> R {
        let turn = QuotaTurn(id: begin(alone: alone), isAlone: alone, turns: self)
        defer { end(turn.id) }
        return try Self.$current.during(turn, body)
    }

    private func begin(alone: Bool) -> Int {
        let (id, gate): (Int, ThreadGate?) = state.withLock { state in
            let id = state.next
            state.next += 1
            let isFree = state.waiting.isEmpty && !state.isAlone
            if isFree && (!alone || state.claims.isEmpty) {
                state.claims[id] = [:]
                state.isAlone = alone
                return (id, nil)
            }
            let gate = ThreadGate()
            state.waiting.append((id, alone, gate))
            return (id, gate)
        }
        gate?.wait()
        return id
    }

    private func end(_ id: Int) {
        let opened: [ThreadGate] = state.withLock { state in
            state.claims[id] = nil
            if state.claims.isEmpty { state.isAlone = false }
            var opened: [ThreadGate] = []
            while let first = state.waiting.first, !state.isAlone,
                !first.alone || state.claims.isEmpty
            {
                state.waiting.removeFirst()
                state.claims[first.id] = [:]
                state.isAlone = first.alone
                opened.append(first.gate)
            }
            return opened
        }
        for gate in opened { gate.open() }
    }

    /// Changes what a turn claims under `name`; `body` is told what all others do.
    fileprivate func claim<R>(
        _ id: Int, _ name: String, _ body: (_ others: QuotaClaim, inout QuotaClaim) -> R
    ) -> R {
        state.withLock { state in
            var others = QuotaClaim()
            for (other, claims) in state.claims where other != id {
                for claim in claims.values { others = others + claim }
            }
            return body(others, &state.claims[id, default: [:]][name, default: QuotaClaim()])
        }
    }
}

/// One change's turn. On its thread.
struct QuotaTurn: Sendable {
    fileprivate let id: Int
    let isAlone: Bool
    fileprivate let turns: QuotaTurns

    /// Takes as much of a limit as is given.
    /// - Parameters:
    ///   - name: of the part of the change; what it claimed of this limit before is given back.
    ///   - left: without what changes on their way take.
    ///   - wanted: nil for as much as there is for one.
    /// - Returns: how much is given; less than is wanted where there is no more.
    func take(
        _ limit: WritableKeyPath<QuotaClaim, Int>, _ name: String, of left: Int,
        wanted: Int? = nil
    ) -> Int {
        turns.claim(id, name) { others, claim in
            let room = max(0, left - others[keyPath: limit])
            let share = isAlone ? room : room / 4
            let given = min(share, wanted ?? share)
            claim[keyPath: limit] = given
            return given
        }
    }
}
