internal import BPF
internal import BTF
public import JSON
public import Problems

extension Node {
    /// Puts a value into a queue, stack, bloom filter or user ring buffer.
    /// - Parameters:
    ///   - overwrites: a full queue or stack loses its oldest value for it (`BPF_EXIST`).
    ///   - type: of a user ring buffer's record, a struct or typedef of the program's.
    /// - Throws: `map_full`; `invalid_value`, `size_mismatch`; `invalid_parameter` for a type that
    ///   the program does not have.
    public func push(
        _ view: MapView, _ value: JSONValue, overwrites: Bool, type: String?, _ style: EntryStyle,
        isDryRun: Bool
    ) throws(Problem) {
        let loaded = view.loaded
        try loaded.require(.push)
        let kind = loaded.map.info.type
        if overwrites && kind != .queue && kind != .stack {
            throw Problem(
                .unsupportedMapOperation,
                "Map \(loaded.name) is of type \(kind.name), where nothing is overwritten.")
        }
        let plan = try type.map { name throws(Problem) in try recordPlan(loaded, name) }
        let bytes = try bytes(loaded, style)
        let place = JSONPointer.root.appending("value")
        if kind == .userRingbuf {
            let record = try bytes.record(value, plan, at: place)
            if isDryRun { return }
            do throws(BPFError) { try loaded.map.pushToUserRing(record.span) } catch {
                throw loaded.refused(error, while: "push a record")
            }
            return
        }
        let value = try bytes.single(value, at: place)
        if isDryRun { return }
        let none: [UInt8] = []
        do throws(BPFError) {
            try loaded.map.update(none.span, value.span, overwrites ? .update : .any)
        } catch {
            throw loaded.refused(error, while: "push a value")
        }
    }

    private func recordPlan(_ map: LoadedMap, _ name: String) throws(Problem) -> ValuePlan {
        guard map.map.info.type == .userRingbuf else {
            throw Problem(
                .invalidParameter,
                "type=\(name) is for user ring buffers: values of \(map.name) have their own type.")
        }
        let bare = name.hasPrefix("struct ") ? String(name.dropFirst(7)) : name
        let types = state.withLock { $0.programs[map.program]?.loaded?.types }
        guard let types,
            let id = types.find(bare, .structure) ?? types.find(bare, .typedef)
                ?? types.find(bare, .union)
        else {
            throw Problem(
                .invalidParameter, "type=\(name): program \(map.program) has no such type.")
        }
        do { return try ValuePlan(types, type: id) } catch {
            throw Problem(.invalidParameter, "type=\(name): \(error.reason).")
        }
    }

    /// The next value of a queue or stack as JSON text, `{"value":…}`; nil where it is empty.
    /// - Parameter takes: false leaves it there.
    public func next(_ view: MapView, takes: Bool, _ style: EntryStyle) throws(Problem)
        -> [UInt8]?
    {
        let loaded = view.loaded
        try loaded.require(takes ? .pop : .peek)
        guard loaded.map.info.type != .bloomFilter else {
            throw Problem(
                .invalidMember,
                "A bloom filter is asked for a value: send {\"value\":…}.", pointer: "/value")
        }
        let none: [UInt8] = []
        var value = [UInt8](repeating: 0, count: loaded.map.lookupBytes)
        var isThere = false
        do throws(BPFError) {
            var span = value.mutableSpan
            isThere =
                takes
                ? try loaded.map.take(none.span, into: &span)
                : try loaded.map.lookup(none.span, into: &span)
        } catch {
            throw loaded.refused(error, while: takes ? "pop a value" : "peek at a value")
        }
        guard isThere else { return nil }
        var json = JSONWriter(capacity: 256, int64: style.int64)
        let bytes = try bytes(loaded, style)
        json.raw("{")
        bytes.writeValue(after: value.span, to: &json)
        return Array("{".utf8) + json.bytes().dropFirst(2) + Array("}\n".utf8)
    }

    /// Whether a bloom filter may have the value; false: it has not.
    public func mayHave(_ view: MapView, _ value: JSONValue, _ style: EntryStyle) throws(Problem)
        -> Bool
    {
        let loaded = view.loaded
        try loaded.require(.peek)
        guard loaded.map.info.type == .bloomFilter else {
            throw Problem(
                .invalidMember,
                "Map \(loaded.name) is of type \(loaded.map.info.type.name): peek takes no value.",
                pointer: "/value")
        }
        let none: [UInt8] = []
        var given = try bytes(loaded, style).single(value, at: .root.appending("value"))
        do throws(BPFError) {
            var span = given.mutableSpan
            return try loaded.map.lookup(none.span, into: &span)
        } catch {
            throw loaded.refused(error, while: "ask for a value")
        }
    }
}
