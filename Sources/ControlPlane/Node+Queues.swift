internal import BPF
public import JSON
public import Problems

extension Node {
    /// Puts a value into a queue, stack, bloom filter or user ring buffer.
    /// - Parameter overwrites: a full queue or stack loses its oldest value for it (`BPF_EXIST`).
    /// - Throws: `map_full`; `invalid_value`, `size_mismatch`.
    public func push(
        _ view: MapView, _ value: JSONValue, overwrites: Bool, _ style: EntryStyle, isDryRun: Bool
    ) throws(Problem) {
        let loaded = view.loaded
        try loaded.require(.push)
        let type = loaded.map.info.type
        if overwrites && type != .queue && type != .stack {
            throw Problem(
                .unsupportedMapOperation,
                "Map \(loaded.name) is of type \(type.name), where nothing is overwritten.")
        }
        let bytes = try bytes(loaded, style)
        let place = JSONPointer.root.appending("value")
        if type == .userRingbuf {
            let record = try bytes.record(value, at: place)
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
