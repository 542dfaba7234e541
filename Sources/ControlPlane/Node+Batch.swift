internal import JSON
public import Problems
internal import Synchronization

extension Node {
    /// Does the operations of a document in its order, each by itself: one that fails changes
    /// nothing for the others. What is no JSON as a whole is refused before anything is done.
    /// - Parameter isLines: a line for each operation, `{"update":{"key":1,"value":2}}`,
    ///   `{"delete":3}`, `{"lookup":4}`, instead of lists of them.
    /// - Returns: the answer as JSON text.
    public func batch(_ view: MapView, _ body: [UInt8], isLines: Bool, _ options: BatchOptions)
        throws(Problem) -> [UInt8]
    {
        let operations = try operations(view, body, isLines: isLines)
        var batch = EntryBatch(
            map: view.loaded, bytes: try bytes(view.loaded, options.style), options: options)
        for operation in operations { batch.run(operation, body.span) }
        batch.flush()
        return batch.answer()
    }

    /// The same, done while the results are sent as lines.
    public func batchStream(
        _ view: MapView, _ body: [UInt8], isLines: Bool, _ options: BatchOptions
    ) throws(Problem) -> BatchStream {
        BatchStream(
            EntryBatch(
                map: view.loaded, bytes: try bytes(view.loaded, options.style), options: options),
            body, try operations(view, body, isLines: isLines))
    }

    private func operations(_ view: MapView, _ body: [UInt8], isLines: Bool) throws(Problem)
        -> [EntryBatch.Operation]
    {
        let operations: [EntryBatch.Operation]
        do throws(JSONError) {
            operations = try EntryBatch.operations(body.span, isLines: isLines)
        } catch {
            throw Problem(
                .malformedJSON,
                "The body is not an acceptable batch: \(error.reason), at byte \(error.offset).",
                pointer: error.pointer.description, cause: error)
        }
        for kind in EntryBatch.Kind.allCases where operations.contains(where: { $0.kind == kind }) {
            try view.loaded.require(kind.use)
        }
        return operations
    }
}

/// A batch whose operations are done while the client takes their results. All are done, also where
/// the client goes away: `finish`.
public final class BatchStream: Sendable {
    private struct State: ~Copyable {
        var batch: EntryBatch
        let body: [UInt8]
        let operations: [EntryBatch.Operation]
        var next = 0
        var sent = 0
        var isFinished = false

        mutating func run(_ count: Int) {
            let (body, end) = (body, min(next + count, operations.count))
            for operation in operations[next..<end] { batch.run(operation, body.span) }
            next = end
            guard next == operations.count else { return }
            batch.flush()
            batch.appendEnd(of: operations.count)
            isFinished = true
        }
    }

    private let state: Mutex<State>
    /// Between two turns of others.
    private static let piece = 256

    init(
        _ batch: consuming sending EntryBatch, _ body: [UInt8], _ operations: [EntryBatch.Operation]
    ) {
        state = Mutex(State(batch: batch, body: body, operations: operations))
    }

    /// Appends results, and does more operations once all of those are taken.
    public func read(into buffer: inout OutputSpan<UInt8>) -> EntryDump.Step {
        state.withLock { state in
            let before = buffer.freeCapacity
            state.sent += state.batch.lines.copy(from: state.sent, into: &buffer)
            if buffer.freeCapacity < before { return .more }
            state.batch.lines.removeAll()
            state.sent = 0
            if state.isFinished { return .end }
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
