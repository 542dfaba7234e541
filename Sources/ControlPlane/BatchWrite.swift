internal import BPF
internal import Linux
internal import Problems
internal import Synchronization

/// Changes of one kind that wait to go to the kernel in one call, in their order.
struct BatchWrite: Sendable {
    struct Outcome: Sendable {
        var done = 0
        var failed: [(index: Int, problem: Problem)] = []
    }

    let map: LoadedMap
    let kind: EntryBatch.Kind
    /// Of each its number in the request.
    var indexes: [Int] = []
    var keys: [UInt8] = []
    /// None of a deletion.
    var values: [UInt8] = []

    /// Gives them to the kernel, and goes on behind each that it refuses.
    func run() -> Outcome {
        let (keySize, valueSize) = (map.map.info.keySize, map.map.lookupBytes)
        var outcome = Outcome()
        var next = 0
        while next < indexes.count {
            let rest = keys.span.extracting(next * keySize..<indexes.count * keySize)
            let step =
                kind == .delete
                ? map.map.deleteBatch(keys: rest)
                : map.map.updateBatch(
                    keys: rest,
                    values: values.span.extracting(
                        next * valueSize..<indexes.count * valueSize))
            guard let step else {
                one(next, &outcome)
                next += 1
                continue
            }
            outcome.done += step.done
            next += step.done
            guard let error = step.error, next < indexes.count else { continue }
            outcome.failed.append((indexes[next], problem(error)))
            next += 1
        }
        return outcome
    }

    /// The same without a batch, for kernels and types that have none.
    private func one(_ place: Int, _ outcome: inout Outcome) {
        let (keySize, valueSize) = (map.map.info.keySize, map.map.lookupBytes)
        let key = keys.span.extracting(place * keySize..<(place + 1) * keySize)
        do throws(BPFError) {
            if kind == .delete {
                guard try map.map.delete(key) else {
                    throw BPFError("bpf_map_delete_elem", .enoent)
                }
            } else {
                let value = values.span.extracting(place * valueSize..<(place + 1) * valueSize)
                try map.map.update(key, value, .any)
            }
            outcome.done += 1
        } catch {
            outcome.failed.append((indexes[place], problem(error)))
        }
    }

    private func problem(_ error: BPFError) -> Problem {
        error.errno == .enoent && kind == .delete
            ? EntryBatch.missing()
            : map.refused(error, while: kind == .delete ? "delete an entry" : "write an entry")
    }
}

/// A write that is done beside the reading of what comes behind it: by another thread or, where
/// that has not begun when the outcome is wanted, by whom it is for.
final class PendingWrite: Sendable {
    private enum State {
        case waiting(BatchWrite)
        case running
        case done(BatchWrite.Outcome)
    }

    let kind: EntryBatch.Kind
    private let state: Mutex<State>
    private let signal = Semaphore()

    init(_ write: BatchWrite, _ calls: Turns) {
        kind = write.kind
        state = Mutex(.waiting(write))
        calls.later { [self] in run() }
    }

    /// To be called once. Blocks while the kernel is asked.
    func outcome() -> BatchWrite.Outcome {
        run()
        signal.wait()
        return state.withLock { state in
            guard case .done(let outcome) = state else {
                preconditionFailure("a write that is over has no outcome")
            }
            return outcome
        }
    }

    private func run() {
        let write: BatchWrite? = state.withLock { state in
            guard case .waiting(let write) = state else { return nil }
            state = .running
            return write
        }
        guard let write else { return }
        let outcome = write.run()
        state.withLock { $0 = .done(outcome) }
        signal.signal()
    }
}
