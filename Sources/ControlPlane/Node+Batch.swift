internal import JSON
public import Linux
public import Problems
internal import Synchronization

/// The operations of a batch, as they came.
public enum BatchBody: Sendable {
    /// `{"update":[…],"lookup":[…],"delete":[…]}`.
    case document([UInt8])
    /// A line for each operation, `{"update":{"key":1,"value":2}}`, `{"delete":3}`,
    /// `{"lookup":4}`, in a file of so many bytes.
    case lines(MemoryFile, size: Int)
}

extension Node {
    /// Does the operations of a body in its order, each by itself: one that fails changes nothing
    /// for the others. What is no JSON as a whole is refused before anything is done.
    /// - Returns: the answer as JSON text.
    public func batch(_ view: MapView, _ body: BatchBody, _ options: BatchOptions)
        throws(Problem) -> [UInt8]
    {
        var operations = try BatchOperations(body, of: view.loaded)
        var batch = EntryBatch(
            map: view.loaded, bytes: try bytes(view.loaded, options.style), options: options,
            mapCalls)
        while try operations.run(.max, &batch) {}
        batch.flush()
        return batch.answer()
    }

    /// The same, done while the results are sent as lines.
    public func batchStream(_ view: MapView, _ body: BatchBody, _ options: BatchOptions)
        throws(Problem) -> BatchStream
    {
        BatchStream(
            EntryBatch(
                map: view.loaded, bytes: try bytes(view.loaded, options.style), options: options,
                mapCalls),
            try BatchOperations(body, of: view.loaded))
    }
}

/// The operations of a body that was looked through once: as a whole it is JSON, and the map allows
/// what it asks for. Of lines only a piece is in memory.
private struct BatchOperations {
    private let document: [UInt8]
    private let found: [EntryBatch.Operation]
    private var lines: BatchLines?
    private var next = 0
    /// All of them.
    let count: Int

    /// - Throws: `malformed_json`, `unsupported_map_operation`.
    init(_ body: BatchBody, of map: LoadedMap) throws(Problem) {
        switch body {
        case .document(let bytes):
            document = bytes
            do { found = try EntryBatch.operations(bytes.span) } catch { throw Self.refused(error) }
            lines = nil
            count = found.count
            for kind in EntryBatch.Kind.allCases where found.contains(where: { $0.kind == kind }) {
                try map.require(kind.use)
            }
        case .lines(let file, let size):
            document = []
            found = []
            count = try Self.check(file, size, map)
            lines = BatchLines(file, size: size)
        }
    }

    private static func check(_ file: MemoryFile, _ size: Int, _ map: LoadedMap) throws(Problem)
        -> Int
    {
        var lines = BatchLines(file, size: size)
        // By their raw values: a set would hash for each line.
        var isUsed = EntryBatch.Kind.allCases.map { _ in false }
        let check = { (line: Span<UInt8>, index: Int, offset: Int) throws(Problem) in
            do throws(JSONError) {
                guard index < BatchOptions.limit else {
                    throw JSONError(
                        reason: "more than \(BatchOptions.limit) lines", offset: offset,
                        pointer: .root)
                }
                isUsed[try EntryBatch.operation(line, index, at: offset).kind.rawValue] = true
            } catch {
                throw Self.refused(error)
            }
        }
        while try lines.next(check) {}
        for kind in EntryBatch.Kind.allCases where isUsed[kind.rawValue] {
            try map.require(kind.use)
        }
        return lines.count
    }

    private static func refused(_ error: JSONError) -> Problem {
        Problem(
            .malformedJSON,
            "The body is not an acceptable batch: \(error.reason), at byte \(error.offset).",
            pointer: error.pointer.description, cause: error)
    }

    /// Does up to so many operations more.
    /// - Returns: whether there may be others.
    mutating func run(_ limit: Int, _ batch: inout EntryBatch) throws(Problem) -> Bool {
        let end = min(count, next + min(limit, count))
        while next < end {
            if lines == nil {
                batch.run(found[next], document.span)
            } else {
                _ = try lines?.next { (line, index, offset) throws(Problem) in
                    do throws(JSONError) {
                        try batch.run(line: line, index, at: offset)
                    } catch {
                        throw Self.refused(error)
                    }
                }
            }
            next += 1
        }
        return next < count
    }
}

/// A batch whose operations are done while the client takes their results. All are done, also where
/// the client goes away: `finish`.
public final class BatchStream: Sendable {
    private struct State: ~Copyable {
        var batch: EntryBatch
        var operations: BatchOperations
        var sent = 0
        var isFinished = false
        var isBroken = false

        mutating func run(_ count: Int) {
            do throws(Problem) {
                if try operations.run(count, &batch) { return }
                batch.flush()
                batch.appendEnd(of: operations.count)
            } catch {
                // The end is missing: the client sees that not all was done.
                isBroken = true
            }
            isFinished = true
        }
    }

    private let state: Mutex<State>
    /// Between two turns of others.
    private static let piece = 256

    fileprivate init(
        _ batch: consuming sending EntryBatch, _ operations: sending BatchOperations
    ) {
        state = Mutex(State(batch: batch, operations: operations))
    }

    /// Appends results, and does more operations once all of those are taken.
    public func read(into buffer: inout OutputSpan<UInt8>) -> EntryDump.Step {
        state.withLock { state in
            let before = buffer.freeCapacity
            state.sent += state.batch.lines.copy(from: state.sent, into: &buffer)
            if buffer.freeCapacity < before { return .more }
            state.batch.lines.removeAll()
            state.sent = 0
            if state.isFinished { return state.isBroken ? .broken : .end }
            state.run(Self.piece)
            return .pause
        }
    }

    /// Does what is left.
    public func finish() {
        state.withLock { state in
            while !state.isFinished {
                state.run(Self.piece)
                state.batch.lines.removeAll()
            }
        }
    }
}
