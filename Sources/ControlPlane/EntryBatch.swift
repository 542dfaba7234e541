internal import BPF
internal import JSON
public import Problems

/// What a batch is asked for beside its operations.
public struct BatchOptions: Sendable {
    public var style = EntryStyle()
    public var mode = EntryMode.any
    /// Lists only what failed, with counts of the rest; lets the kernel take many entries at once.
    public var listsOnlyFailures = false
    public var isDryRun = false

    public init() {}

    /// Operations in one request.
    public static let limit = 100_000
}

extension Node {
    /// Does the operations of a document in its order, each by itself: one that fails changes
    /// nothing for the others. What is no JSON as a whole is refused before anything is done.
    /// - Parameter isLines: a line for each operation, `{"update":{"key":1,"value":2}}`,
    ///   `{"delete":3}`, `{"lookup":4}`, instead of lists of them.
    /// - Returns: the answer as JSON text.
    public func batch(_ view: MapView, _ body: [UInt8], isLines: Bool, _ options: BatchOptions)
        throws(Problem) -> [UInt8]
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
        var batch = EntryBatch(
            map: view.loaded, bytes: try bytes(view.loaded, options.style), options: options)
        for operation in operations { batch.run(operation, body.span) }
        batch.flush()
        return batch.answer()
    }
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
        let text: Range<Int>
        let isLine: Bool
    }

    private let map: LoadedMap
    private let bytes: MapBytes
    private let options: BatchOptions
    private var lists: [[UInt8]] = [[], [], []]
    private var done = [0, 0, 0]
    private var failed = [0, 0, 0]
    private var text: JSONWriter
    // What waits to go to the kernel in one call: operations of one kind, in their order.
    private var waiting: [(index: Int, isLine: Bool)] = []
    private var waitingKind = Kind.update
    private var keys: [UInt8] = []
    private var values: [UInt8] = []
    private var usesBatches: Bool

    init(map: LoadedMap, bytes: MapBytes, options: BatchOptions) {
        self.map = map
        self.bytes = bytes
        self.options = options
        text = JSONWriter(capacity: 512, int64: options.style.int64)
        // One by one where the answer tells of each entry what it was before.
        usesBatches =
            options.listsOnlyFailures && options.mode == .any && !options.isDryRun
            && bytes.objects == nil && EntryWalk.hasBatches(map.map.info.type)
    }

    static func operations(_ body: Span<UInt8>, isLines: Bool) throws(JSONError) -> [Operation] {
        if isLines {
            let lines = try JSONSlices.lines(of: body, limit: BatchOptions.limit)
            var operations: [Operation] = []
            operations.reserveCapacity(lines.count)
            for (index, line) in lines.enumerated() {
                operations.append(try operation(body, line, index))
            }
            return operations
        }
        var operations: [Operation] = []
        for member in try JSONSlices.members(of: body) {
            let kind = try kind(member.name, member.value.lowerBound)
            let left = BatchOptions.limit - operations.count
            let elements = try JSONSlices.elements(of: body, in: member.value, limit: left)
            for (index, element) in elements.enumerated() {
                operations.append(
                    Operation(kind: kind, index: index, text: element, isLine: false))
            }
        }
        return operations
    }

    private static func operation(_ body: Span<UInt8>, _ line: Range<Int>, _ index: Int)
        throws(JSONError) -> Operation
    {
        let members: [(name: String, value: Range<Int>)]
        do { members = try JSONSlices.members(of: body.extracting(line)) } catch {
            throw JSONError(
                reason: "line \(index + 1): \(error.reason)",
                offset: line.lowerBound + error.offset, pointer: error.pointer)
        }
        guard members.count == 1 else {
            throw JSONError(
                reason: "line \(index + 1): exactly one of update, lookup, delete is wanted",
                offset: line.lowerBound, pointer: .root)
        }
        let value = members[0].value
        return Operation(
            kind: try kind(members[0].name, line.lowerBound), index: index,
            text: value.lowerBound + line.lowerBound..<value.upperBound + line.lowerBound,
            isLine: true)
    }

    private static func kind(_ name: String, _ offset: Int) throws(JSONError) -> Kind {
        guard let kind = Kind.allCases.first(where: { $0.name == name }) else {
            throw JSONError(
                reason: "\"\(name)\" is not a member here: update, lookup, delete", offset: offset,
                pointer: .root)
        }
        return kind
    }

    // MARK: One operation

    mutating func run(_ operation: Operation, _ body: Span<UInt8>) {
        let place = pointer(operation.kind, operation.index, operation.isLine)
        do throws(Problem) {
            let document: JSONValue
            do throws(JSONError) { document = try JSONSlices.parse(body, operation.text) } catch {
                throw Problem(
                    .malformedJSON,
                    "This is not acceptable JSON: \(error.reason), at byte "
                        + "\(error.offset).", pointer: place.description)
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
        let before = try map.present(key)
        if options.isDryRun {
            if options.mode == .create && before != nil { throw exists() }
            if options.mode == .update && before == nil { throw missing() }
        } else {
            try map.write(key, value, options.mode)
        }
        succeed(operation, key, before == nil && map.canRead ? 201 : 200)
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
        append(.lookup)
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

    private mutating func wait(_ operation: Operation, _ key: [UInt8], _ value: [UInt8]) {
        if waitingKind != operation.kind || waiting.count >= 4096
            || keys.count + values.count > 1 << 20
        {
            flush()
            waitingKind = operation.kind
        }
        waiting.append((operation.index, operation.isLine))
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
            fail(waitingKind, waiting[next].index, problem(error))
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
            fail(waitingKind, waiting[index].index, problem(error))
        }
    }

    // MARK: The answer

    private mutating func succeed(_ operation: Operation, _ key: EntryKey, _ status: Int) {
        done[operation.kind.rawValue] += 1
        if options.listsOnlyFailures { return }
        text.raw("{\"key\":")
        if let shown = key.shown {
            text.value(shown)
        } else {
            bytes.writeKey(key.bytes.span, to: &text)
        }
        text.raw(",\"status\":")
        text.integer(Int64(status))
        text.byte(UInt8(ascii: "}"))
        append(operation.kind)
    }

    private mutating func fail(_ kind: Kind, _ index: Int, _ problem: Problem) {
        failed[kind.rawValue] += 1
        text.object {
            $0.member("index", index)
            $0.member("status", problem.type.status)
            $0.member("code", problem.type.code)
            $0.member("detail", problem.detail)
            if let errno = problem.errno { $0.member("errno", errno) }
            if let pointer = problem.pointer { $0.member("pointer", pointer) }
        }
        append(kind)
    }

    private mutating func append(_ kind: Kind) {
        if !lists[kind.rawValue].isEmpty { lists[kind.rawValue].append(UInt8(ascii: ",")) }
        lists[kind.rawValue] += text.bytes()
        text.removeAll()
    }

    mutating func answer() -> [UInt8] {
        var answer: [UInt8] = []
        for kind in Kind.allCases {
            answer += Array("\(answer.isEmpty ? "{" : ",")\"\(kind.name)\":[".utf8)
            answer += lists[kind.rawValue]
            lists[kind.rawValue] = []
            answer.append(UInt8(ascii: "]"))
        }
        text.object {
            for kind in Kind.allCases {
                $0.object(kind.name) {
                    $0.member("done", done[kind.rawValue])
                    $0.member("failed", failed[kind.rawValue])
                }
            }
        }
        answer += Array(",\"counts\":".utf8) + text.bytes()
        if options.isDryRun { answer += Array(",\"dry_run\":true".utf8) }
        return answer + Array(",\"atomic\":false}\n".utf8)
    }
}
