internal import BTF
internal import JSON
internal import Loading

/// The object's types as our own BTF room reads them, after libbpf filled in sizes and offsets.
struct ObjectTypes {
    /// `nil` where the object has none that can be used.
    let types: BTFTypes?
    /// Why there are none.
    let reason: String?

    init(_ object: OpenObject) throws(LoadFailure) {
        guard let bytes = object.typeBytes else {
            types = nil
            reason = "the object has no BTF: compile it with -g"
            return
        }
        do {
            types = try BTFTypes(parsing: bytes)
            reason = nil
        } catch {
            types = nil
            reason = "the object's BTF cannot be read: \(error.reason)"
        }
    }
}

/// Variables in `.rodata`, `.data` and `.bss`: the map values that they are set in.
enum Globals {
    /// Maps that hold variables of the program's own; `.kconfig` is filled by libbpf.
    private static func sections(of object: OpenObject) -> [ObjectMap] {
        object.maps.filter { $0.isInternal && $0.name != ".kconfig" && $0.initialBytes > 0 }
    }

    /// What the object has, in the order of maps and offsets.
    static func list(_ object: OpenObject, _ types: ObjectTypes) -> [LoadReport.Global] {
        guard let types = types.types else { return [] }
        return sections(of: object).flatMap { map in
            types.variables(in: map.name).map { variable in
                LoadReport.Global(
                    name: variable.name, section: map.name,
                    type: types.valueSpelling(of: variable.type), offset: variable.offset,
                    size: variable.size)
            }
        }
    }

    /// Encodes and sets each value. Called before the load, which freezes `.rodata`.
    ///
    /// - Parameter kept: maps that the load takes over as they are.
    static func set(
        _ values: JSONObject, in object: OpenObject, _ types: ObjectTypes, kept: Set<String>
    ) throws(LoadFailure) {
        guard !values.isEmpty else { return }
        let place = JSONPointer.root.appending("globals")
        guard let known = types.types else {
            throw LoadFailure(
                .global, types.reason ?? "the object has no BTF", pointer: place.description)
        }
        let maps = sections(of: object)
        for member in values {
            let pointer = place.appending(member.name)
            guard let (map, variable) = find(member.name, in: maps, known) else {
                let names = maps.flatMap { known.variables(in: $0.name).map(\.name) }
                let near = NearMatches.clause(for: member.name, among: names)
                throw LoadFailure(
                    .global, "the object has no global variable \"\(member.name)\"\(near)",
                    pointer: pointer.description)
            }
            if kept.contains(map.name) {
                throw LoadFailure(
                    .global,
                    "variable \"\(variable.name)\" is in \(map.name), which is reused as it is: "
                        + "set it afterwards, or do not reuse that map",
                    pointer: pointer.description)
            }
            let bytes = try encode(member.value, variable, known, pointer)
            guard bytes.count <= variable.size, map.setInitialValue(bytes, at: variable.offset)
            else {
                throw LoadFailure(
                    .global,
                    "variable \"\(variable.name)\" takes \(bytes.count) bytes at \(variable.offset)"
                        + " and \(map.name) has \(map.initialBytes)",
                    pointer: pointer.description)
            }
        }
    }

    private static func find(_ name: String, in maps: [ObjectMap], _ types: BTFTypes)
        -> (ObjectMap, BTFTypes.Variable)?
    {
        for map in maps {
            for variable in types.variables(in: map.name) where variable.name == name {
                return (map, variable)
            }
        }
        return nil
    }

    private static func encode(
        _ value: JSONValue, _ variable: BTFTypes.Variable, _ types: BTFTypes,
        _ pointer: JSONPointer
    ) throws(LoadFailure) -> [UInt8] {
        let plan: ValuePlan
        do { plan = try ValuePlan(types, variable: variable) } catch {
            throw LoadFailure(
                .global, "variable \"\(variable.name)\" cannot be set: \(error.reason)",
                pointer: pointer.description)
        }
        do { return try plan.encode(value, at: pointer) } catch {
            throw LoadFailure(
                .global,
                "variable \"\(variable.name)\" is \(plan.typeName): \(error.reason)",
                pointer: error.pointer.description)
        }
    }
}
