internal import BPF
internal import JSON
internal import Problems

/// What a batch is asked for beside its operations.
public struct BatchOptions: Sendable {
    public var style = EntryStyle()
    public var mode = EntryMode.any
    /// Lists only what failed, with counts of the rest; lets the kernel take many entries at once.
    public var listsOnlyFailures = false
    public var isDryRun = false
    /// Results as NDJSON while the operations are done, instead of one document.
    public var givesLines = false

    public init() {}

    /// Operations in one request.
    public static let limit = 100_000
}

/// The operations of one request on their way into a map.
struct EntryBatch: ~Copyable {
    enum Kind: Int, CaseIterable {
        case update, lookup, delete

        var name: String {
            switch self {
            case .update: "update"
            case .lookup: "lookup"
            case .delete: "delete"
            }
        }
        var use: MapUse {
            switch self {
            case .update: .write
            case .lookup: .read
            case .delete: .delete
            }
        }
    }

    struct Operation {
        let kind: Kind
        /// In its list, or of lines the line's, from 0.
        let index: Int
        /// In the document, or in its line.
        let text: Range<Int>
        /// Where in the body its line begins; nil in a document.
        var lineOffset: Int?

        var isLine: Bool { lineOffset != nil }
    }

    private let map: LoadedMap
    let bytes: MapBytes
    let options: BatchOptions
    // Of each kind; with `lines` its results are there instead.
    var lists: [[UInt8]] = [[], [], []]
    var done = [0, 0, 0]
    var failed = [0, 0, 0]
    /// One result.
    var text: JSONWriter
    /// Results as lines, in the order of the operations.
    var lines: JSONWriter
    private var waiting: BatchWrite
    private var pending: PendingWrite?
    /// Does `pending`.
    private let calls: Turns
    private var usesBatches: Bool
    /// Whether plain operations can be read straight into what the kernel is given.
    private let isDirect: Bool

    init(map: LoadedMap, bytes: MapBytes, options: BatchOptions, _ calls: Turns) {
        self.map = map
        self.calls = calls
        waiting = BatchWrite(map: map, kind: .update)
        self.bytes = bytes
        self.options = options
        text = JSONWriter(capacity: 512, int64: options.style.int64)
        lines = JSONWriter(capacity: options.givesLines ? 64 << 10 : 0, int64: .number)
        // One by one where the answer tells of each entry what it was before.
        usesBatches =
            options.listsOnlyFailures && options.mode == .any && !options.isDryRun
            && bytes.objects == nil && EntryWalk.hasBatches(map.map.info.type)
        isDirect =
            usesBatches && !bytes.isPerCPU && options.style.encoding == .typed && !map.hasIndexes
    }

    // MARK: One operation

    /// - Parameter body: the document, or the operation's line.
    mutating func run(_ operation: Operation, _ body: Span<UInt8>) {
        let text = body.extracting(operation.text)
        if isDirect, runDirectly(operation.kind, operation.index, text) { return }
        let place = pointer(operation.kind, operation.index, operation.isLine)
        do throws(Problem) {
            let document: JSONValue
            do throws(JSONError) { document = try JSONSlices.parse(body, operation.text) } catch {
                throw Problem(
                    .malformedJSON,
                    "This is not acceptable JSON: \(error.reason), at byte "
                        + "\((operation.lineOffset ?? 0) + error.offset).",
                    pointer: place.description)
            }
            switch operation.kind {
            case .update: try update(document, operation, place)
            case .lookup: try lookup(document, operation, place)
            case .delete: try delete(document, operation, place)
            }
        } catch {
            fail(operation.kind, operation.index, error)
        }
        bytes.objects?.release()
    }

    /// The operation of a line that was found to have one.
    mutating func run(line: Span<UInt8>, _ index: Int, at offset: Int) throws(JSONError) {
        if isDirect, let (kind, start) = Self.opening(line) {
            var end = line.count
            while end > start && line[end - 1] != UInt8(ascii: "}") { end -= 1 }
            let isRun = end > start && runDirectly(kind, index, line.extracting(start..<end - 1))
            if isRun { return }
        }
        run(try Self.operation(line, index, at: offset), line)
    }

    /// Reads an operation for the kernel's batches straight into their bytes; false where it is not
    /// spelt plainly, or wrong.
    private mutating func runDirectly(_ kind: Kind, _ index: Int, _ text: Span<UInt8>) -> Bool {
        guard kind != .lookup else { return false }
        makeRoom(for: kind)
        let (keyStart, valueStart) = (waiting.keys.count, waiting.values.count)
        waiting.keys.append(contentsOf: repeatElement(0, count: map.map.info.keySize))
        let isUpdate = kind == .update
        if isUpdate {
            waiting.values.append(contentsOf: repeatElement(0, count: map.map.lookupBytes))
        }
        var position = 0
        let isRead =
            isUpdate
            ? PlainJSON.skip("{\"key\":", text, &position)
                && map.keyPlan.decode(text, &position, into: &waiting.keys, at: keyStart)
                && PlainJSON.skip(",\"value\":", text, &position)
                && map.valuePlan.decode(text, &position, into: &waiting.values, at: valueStart)
                && PlainJSON.skip("}", text, &position)
            : map.keyPlan.decode(text, &position, into: &waiting.keys, at: keyStart)
        guard isRead, position == text.count else {
            waiting.keys.removeLast(waiting.keys.count - keyStart)
            waiting.values.removeLast(waiting.values.count - valueStart)
            return false
        }
        waiting.indexes.append(index)
        return true
    }

    private func pointer(_ kind: Kind, _ index: Int, _ isLine: Bool) -> JSONPointer {
        isLine
            ? JSONPointer.root.appending(index).appending(kind.name)
            : JSONPointer.root.appending(kind.name).appending(index)
    }

    private mutating func update(
        _ document: JSONValue, _ operation: Operation, _ place: JSONPointer
    ) throws(Problem) {
        guard let object = document.object, let given = object["key"] else {
            throw Problem(
                .invalidMember, "An update is {\"key\":…,\"value\":…}.",
                pointer: place.description)
        }
        for member in object.members where !["key", "value", "values"].contains(member.name) {
            throw Problem(
                .unknownMember, "An update has no member \"\(member.name)\".",
                pointer: place.appending(member.name).description)
        }
        let key = try bytes.key(given, at: place.appending("key"))
        let value = try bytes.value(object, at: place)
        if usesBatches { return wait(operation, key.bytes, value) }
        succeed(operation, key, try put(key, value) ? 201 : 200)
    }

    /// - Returns: whether the entry is new.
    private func put(_ key: EntryKey, _ value: [UInt8]) throws(Problem) -> Bool {
        if options.mode == .any && !options.isDryRun && tellsNew {
            // One call for what is new, where a look before would make it two for all.
            do throws(BPFError) {
                try map.map.update(key.bytes.span, value.span, .create)
                return true
            } catch {
                guard error.errno == .eexist else {
                    throw map.refused(error, while: "write an entry")
                }
            }
            try map.write(key, value, .any)
            return false
        }
        let before = try map.present(key)
        if options.isDryRun {
            if options.mode == .create && before != nil { throw exists() }
            if options.mode == .update && before == nil { throw Self.missing() }
        } else {
            try map.write(key, value, options.mode)
        }
        return before == nil && map.canRead
    }

    /// Whether `BPF_NOEXIST` is for this type what it says.
    private var tellsNew: Bool {
        switch map.map.info.type {
        case .hash, .percpuHash, .lruHash, .lruPercpuHash, .lpmTrie: map.canRead
        default: false
        }
    }

    private mutating func lookup(
        _ document: JSONValue, _ operation: Operation, _ place: JSONPointer
    ) throws(Problem) {
        flush()
        let key = try bytes.key(document, at: place)
        guard let value = try map.present(key) else { throw Self.missing() }
        done[Kind.lookup.rawValue] += 1
        if options.listsOnlyFailures { return }
        bytes.write(key: key, value: value, to: &text)
        text.truncate(to: text.count - 1)
        text.raw(",\"status\":200}")
        append(operation.kind, operation.index)
    }

    private mutating func delete(
        _ document: JSONValue, _ operation: Operation, _ place: JSONPointer
    ) throws(Problem) {
        let key = try bytes.key(document, at: place)
        if usesBatches { return wait(operation, key.bytes, []) }
        var existed = true
        if options.isDryRun {
            existed = try map.present(key) != nil
        } else {
            do throws(BPFError) { existed = try map.map.delete(key.bytes.span) } catch {
                throw map.refused(error, while: "delete an entry")
            }
        }
        guard existed else { throw Self.missing() }
        succeed(operation, key, 204)
    }

    static func missing() -> Problem { Problem(.notFound, "There is no such entry.") }
    private func exists() -> Problem { Problem(.alreadyExists, "The entry exists.") }

    // MARK: Many at once

    private mutating func makeRoom(for kind: Kind) {
        guard
            waiting.kind != kind || waiting.indexes.count >= 4096
                || waiting.keys.count + waiting.values.count > 1 << 20
        else { return }
        settle()
        if !waiting.indexes.isEmpty { pending = PendingWrite(waiting, calls) }
        let (keys, values) = (waiting.keys.count, waiting.values.count)
        waiting = BatchWrite(map: map, kind: kind)
        waiting.indexes.reserveCapacity(4096)
        waiting.keys.reserveCapacity(keys)
        waiting.values.reserveCapacity(values)
    }

    private mutating func wait(_ operation: Operation, _ key: [UInt8], _ value: [UInt8]) {
        makeRoom(for: operation.kind)
        waiting.indexes.append(operation.index)
        waiting.keys += key
        waiting.values += value
    }

    /// Gives the kernel what waits, and returns when all of it is done.
    mutating func flush() {
        settle()
        guard !waiting.indexes.isEmpty else { return }
        take(waiting.run(), waiting.kind)
        waiting = BatchWrite(map: map, kind: waiting.kind)
    }

    /// Returns when what the kernel was given is done.
    private mutating func settle() {
        guard let pending else { return }
        self.pending = nil
        take(pending.outcome(), pending.kind)
    }

    private mutating func take(_ outcome: BatchWrite.Outcome, _ kind: Kind) {
        done[kind.rawValue] += outcome.done
        for (index, problem) in outcome.failed { fail(kind, index, problem) }
    }
}
