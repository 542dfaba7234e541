internal import BPF
internal import BTF
internal import Events
internal import JSON
internal import Loading
internal import Problems

extension LoadedProgram {
    /// The maps whose records are a stream.
    var ringMaps: [LoadedMap] {
        maps.values.filter { [.ringbuf, .perfEventArray].contains($0.map.info.type) }
            .sorted { $0.name < $1.name }
    }

    /// What the records of a ring are: as the load's options say, else as the object declares.
    /// - Throws: `invalid_member` where the options name what the object does not have.
    func schema(of map: String, options: ProgramOptions) throws(Problem) -> RecordSchema? {
        let asked = options.events[map] ?? EventOptions()
        let declared = report.eventTypes.filter { $0.map == map }
        let place = JSONPointer.root.appending("events").appending(map)
        let base = try type(
            asked.type ?? declared.first { $0.tag == nil }?.type, isAsked: asked.type != nil,
            asked.symbols, place.appending("type"), map)
        let tagged = declared.filter { $0.tag != nil }
        let schema: RecordSchema?
        if let member = asked.typeBy ?? tagged.first?.tagMember {
            schema = try self.schema(by: member, asked, tagged, base, place, map)
        } else {
            schema = base.map { RecordSchema($0, rules: asked.rules) }
        }
        if let schema { try check(asked, schema, place) }
        return schema
    }

    private func schema(
        by member: String, _ asked: EventOptions, _ tagged: [LoadReport.EventType],
        _ base: RecordType?, _ place: JSONPointer, _ map: String
    ) throws(Problem) -> RecordSchema? {
        var cases: [(value: String, type: RecordType)] = []
        var wanted = asked.types.map { (value: $0.key, type: $0.value) }
        if asked.types.isEmpty {
            wanted = tagged.compactMap { entry in entry.tag.map { ($0, entry.type) } }
        }
        if wanted.isEmpty { wanted = typesByName(member, base) }
        for (value, name) in wanted.sorted(by: { $0.value < $1.value }) {
            let pointer = place.appending("types").appending(value)
            let found = try type(name, isAsked: true, asked.symbols, pointer, map)
            if let found { cases.append((value, found)) }
        }
        // A tag of one type, or of an enum: what has no type of its own is the base's.
        if let base, let tag = base.plan.member(at: member) {
            for (name, number) in base.plan.enumerators(of: tag)
            where !cases.contains(where: { $0.value == name || $0.value == "\(number)" }) {
                cases.append((name, base))
            }
        }
        let isOptional = asked.typeBy == nil
        do {
            return try RecordSchema(by: member, cases, rules: asked.rules)
        } catch {
            if isOptional { return base.map { RecordSchema($0, rules: asked.rules) } }
            throw Problem(
                .invalidMember,
                "The records of \(map) cannot be told apart: \(error.reason). Say which struct "
                    + "each value stands for: \"types\": {\"1\": \"exec_event\"}.",
                pointer: place.appending("type_by").description)
        }
    }

    /// Where nobody says which struct a tag's value stands for, its name may: `EVENT_EXEC` of an
    /// enum for `struct exec_event`, `struct event_exec` or `struct exec`.
    private func typesByName(_ member: String, _ base: RecordType?) -> [(
        value: String, type: String
    )] {
        guard let types else { return [] }
        var found: [(value: String, type: String)] = []
        for enumerator in types.enumeratorNames(ofMembersNamed: member) {
            let word = enumerator.lowercased()
            var words = [word]
            if let cut = word.firstIndex(of: "_") {
                words.append(String(word[word.index(after: cut)...]))
            }
            let candidates = words.flatMap { [$0, $0 + "_event", "event_" + $0, $0 + "_record"] }
            let match = candidates.first { name in
                types.find(name, .structure).map { id in
                    types.members(of: id).contains { $0.name == member }
                } ?? false
            }
            if let match { found.append((enumerator, match)) }
        }
        return found
    }

    private func type(
        _ wanted: String?, isAsked: Bool, _ symbols: [String], _ pointer: JSONPointer,
        _ map: String
    ) throws(Problem) -> RecordType? {
        guard let wanted else { return nil }
        let name = wanted.hasPrefix("struct ") ? String(wanted.dropFirst(7)) : wanted
        guard let types,
            let type = types.find(name, .structure) ?? types.find(name, .union)
                ?? types.find(name, .typedef)
        else {
            if !isAsked { return nil }
            throw Problem(
                .invalidMember, "The object has no type struct \(name) for the records of \(map).",
                pointer: pointer.description)
        }
        do {
            return RecordType(
                name: name, plan: try ValuePlan(types, type: type), types: types, typeID: type,
                addresses: symbols)
        } catch {
            if !isAsked { return nil }
            throw Problem(
                .invalidMember,
                "Records of \(map) cannot be decoded as \(wanted): \(error.reason).",
                pointer: pointer.description)
        }
    }

    /// Members that rules and symbols name must be there.
    private func check(
        _ asked: EventOptions, _ schema: RecordSchema, _ place: JSONPointer
    ) throws(Problem) {
        var named = asked.symbols.map { ($0, place.appending("symbols")) }
        let validate = place.appending("validate")
        if case .named(let name) = asked.rules.pid {
            named.append((name, validate.appending("pid")))
        }
        if case .named(let name) = asked.rules.time {
            named.append((name, validate.appending("time")))
        }
        for (name, pointer) in named
        where !schema.types.contains(where: { $0.plan.member(at: name) != nil }) {
            throw Problem(
                .invalidMember,
                "struct \(schema.types[0].name) has no member \(name): "
                    + schema.types[0].plan.members.prefix(20).map(\.name).joined(separator: ", ")
                    + ".",
                pointer: pointer.description)
        }
    }

    /// Holds the options about records against the object.
    /// - Throws: `invalid_member` where they name a type, a member or a ring that it does not have.
    func checkEvents(_ options: ProgramOptions) throws(Problem) {
        try checkRings(options)
        for ring in ringMaps { _ = try schema(of: ring.name, options: options) }
    }

    /// Options for a map that is no ring would have no effect.
    private func checkRings(_ options: ProgramOptions) throws(Problem) {
        for name in options.events.keys.sorted()
        where !ringMaps.contains(where: { $0.name == name }) {
            let rings = ringMaps.map(\.name).joined(separator: ", ")
            throw Problem(
                .invalidMember,
                "The object has no ring buffer or perf event array \(name)"
                    + (rings.isEmpty ? "." : ": \(rings)."),
                pointer: JSONPointer.root.appending("events").appending(name).description)
        }
    }

    /// Whether the program submits to a ring without waking its reader (APIARY_ADAPTIVE).
    func isQuiet(_ map: String) -> Bool {
        report.globals.contains { $0.name == map + "_wakeup_bytes" }
    }
}

/// The counter of records that a program could not put into its ring: apiary.bpf.h's per-CPU map.
struct MapLostCounter: LostCounter {
    private let map: Map

    /// `nil` for a map that is no per-CPU array of one u64.
    init?(_ loaded: LoadedMap) {
        let info = loaded.map.info
        guard info.type == .percpuArray, info.valueSize == 8 else { return nil }
        map = loaded.map
    }

    func lostRecords() -> UInt64? {
        let key: [UInt8] = [0, 0, 0, 0]
        let bytes: [UInt8]?
        // A counter that cannot be read is an unknown, which the ledger shows as null.
        do { bytes = try map.lookup(key.span) } catch { bytes = nil }
        guard let bytes, bytes.count % 8 == 0 else { return nil }
        var sum: UInt64 = 0
        for start in stride(from: 0, to: bytes.count, by: 8) {
            var value: UInt64 = 0
            for index in (0..<8).reversed() { value = value << 8 | UInt64(bytes[start + index]) }
            sum += value
        }
        return sum
    }
}
