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
    // What waits to go to the kernel in one call: operations of one kind, in their order.
    private var waiting: [Int] = []
    private var waitingKind = Kind.update
    private var keys: [UInt8] = []
    private var values: [UInt8] = []
    private var usesBatches: Bool
    /// Whether plain operations can be read straight into what the kernel is given.
    private let isDirect: Bool

    init(map: LoadedMap, bytes: MapBytes, options: BatchOptions) {
        self.map = map
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
        let (keyStart, valueStart) = (keys.count, values.count)
        keys.append(contentsOf: repeatElement(0, count: map.map.info.keySize))
        let isUpdate = kind == .update
        if isUpdate { values.append(contentsOf: repeatElement(0, count: map.map.lookupBytes)) }
        var position = 0
        let isRead =
            isUpdate
            ? PlainJSON.skip("{\"key\":", text, &position)
                && map.keyPlan.decode(text, &position, into: &keys, at: keyStart)
                && PlainJSON.skip(",\"value\":", text, &position)
                && map.valuePlan.decode(text, &position, into: &values, at: valueStart)
                && PlainJSON.skip("}", text, &position)
            : map.keyPlan.decode(text, &position, into: &keys, at: keyStart)
        guard isRead, position == text.count else {
            keys.removeLast(keys.count - keyStart)
            values.removeLast(values.count - valueStart)
            return false
        }
        waiting.append(index)
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
            if options.mode == .update && before == nil { throw missing() }
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
        guard let value = try map.present(key) else { throw missing() }
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
        guard existed else { throw missing() }
        succeed(operation, key, 204)
    }

    private func missing() -> Problem { Problem(.notFound, "There is no such entry.") }
    private func exists() -> Problem { Problem(.alreadyExists, "The entry exists.") }

    // MARK: Many at once

    private mutating func makeRoom(for kind: Kind) {
        guard
            waitingKind != kind || waiting.count >= 4096 || keys.count + values.count > 1 << 20
        else { return }
        flush()
        waitingKind = kind
    }

    private mutating func wait(_ operation: Operation, _ key: [UInt8], _ value: [UInt8]) {
        makeRoom(for: operation.kind)
        waiting.append(operation.index)
        keys += key
        values += value
    }

    /// Gives the kernel what waits, and goes on behind each entry that it refuses.
    mutating func flush() {
        let (keySize, valueSize) = (map.map.info.keySize, map.map.lookupBytes)
        let (allKeys, allValues) = (keys, values)
        var next = 0
        while next < waiting.count {
            let rest = allKeys.span.extracting(next * keySize..<waiting.count * keySize)
            let outcome =
                waitingKind == .delete
                ? map.map.deleteBatch(keys: rest)
                : map.map.updateBatch(
                    keys: rest,
                    values: allValues.span.extracting(
                        next * valueSize..<waiting.count * valueSize))
            guard let outcome else {
                one(next)
                next += 1
                continue
            }
            done[waitingKind.rawValue] += outcome.done
            next += outcome.done
            guard let error = outcome.error, next < waiting.count else { continue }
            fail(waitingKind, waiting[next], problem(error))
            next += 1
        }
        waiting.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
    }

    private func problem(_ error: BPFError) -> Problem {
        error.errno == .enoent && waitingKind == .delete
            ? missing()
            : map.refused(
                error, while: waitingKind == .delete ? "delete an entry" : "write an entry")
    }

    /// The same without a batch, for kernels and types that have none.
    private mutating func one(_ index: Int) {
        let (keySize, valueSize) = (map.map.info.keySize, map.map.lookupBytes)
        let key = Array(keys[index * keySize..<(index + 1) * keySize])
        do throws(BPFError) {
            if waitingKind == .delete {
                guard try map.map.delete(key.span) else {
                    throw BPFError("bpf_map_delete_elem", .enoent)
                }
            } else {
                let value = Array(values[index * valueSize..<(index + 1) * valueSize])
                try map.map.update(key.span, value.span, .any)
            }
            done[waitingKind.rawValue] += 1
        } catch {
            fail(waitingKind, waiting[index], problem(error))
        }
    }
}
