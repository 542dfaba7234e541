internal import Problems
internal import Synchronization

/// How requests went, by operation, status and problem. Every label's values are those of the
/// route table and the catalogue: a client cannot make new ones.
///
/// Not by swift-metrics: none of the libraries here reports through it, and a counter of it is a
/// handler behind an existential, found by its labels; here it is a slot beside the route.
final class RequestMetrics: Sendable {
    /// Upper bounds in milliseconds; the last bucket has none.
    static let boundsMilliseconds: [Double] = [
        0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 5000, 30_000,
    ]

    private struct Operation {
        var statuses: [(status: Int, count: UInt64)] = []
        var buckets = [UInt64](repeating: 0, count: boundsMilliseconds.count + 1)
        var nanoseconds: UInt64 = 0
    }

    private final class Slot: Sendable {
        let state = Mutex(Operation())
    }

    // One more than there are routes: what was refused before it had one.
    private let slots: [Slot]
    private let names: [String]
    private let problems = Mutex([String: UInt64]())

    /// - Parameter operations: the route table's names, in its order.
    init(operations: [String]) {
        names = operations + ["none"]
        slots = names.map { _ in Slot() }
    }

    /// - Parameter operation: its index in the table; `nil` for what found no route.
    func count(operation: Int?, status: Int, nanoseconds: UInt64) {
        let milliseconds = Double(nanoseconds) / 1e6
        let bucket =
            Self.boundsMilliseconds.firstIndex { milliseconds <= $0 }
            ?? Self.boundsMilliseconds.count
        slots[operation ?? slots.count - 1].state.withLock { state in
            state.buckets[bucket] += 1
            state.nanoseconds += nanoseconds
            if let index = state.statuses.firstIndex(where: { $0.status == status }) {
                state.statuses[index].count += 1
            } else {
                state.statuses.append((status, 1))
            }
        }
    }

    func count(_ problem: ProblemType) {
        problems.withLock { $0[problem.code, default: 0] += 1 }
    }

    func write(to text: inout MetricsText) {
        let states = zip(names, slots).map { ($0, $1.state.withLock { $0 }) }
        let used = states.filter { !$0.1.statuses.isEmpty }
        text.begin(
            "apiary_http_requests_total", .counter, "Answers by operation and status")
        for (name, state) in used {
            for (status, count) in state.statuses.sorted(by: { $0.status < $1.status }) {
                text.add(count, ["operation": name, "status": "\(status)"])
            }
        }
        text.begin(
            "apiary_http_request_duration_seconds", .histogram,
            "Time from the request line to the first byte of the answer, by operation")
        for (name, state) in used {
            var sum: UInt64 = 0
            for (bound, count) in zip(Self.boundsMilliseconds, state.buckets) {
                sum += count
                text.add(sum, ["operation": name, "le": "\(bound / 1000)"], suffix: "_bucket")
            }
            sum += state.buckets.last ?? 0
            text.add(sum, ["operation": name, "le": "+Inf"], suffix: "_bucket")
            text.add(seconds(state.nanoseconds), ["operation": name], suffix: "_sum")
            text.add(sum, ["operation": name], suffix: "_count")
        }
        text.begin("apiary_problems_total", .counter, "Answers that were problems, by their code")
        let counts = problems.withLock { $0 }
        for problem in ProblemType.all {
            text.add(counts[problem.code] ?? 0, ["code": problem.code])
        }
    }
}
