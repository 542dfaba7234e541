internal import CLibbpf
internal import Loading

/// Which struct the records of a ring buffer or perf event array are: the kernel keeps no value
/// type for them, so the object declares it.
enum EventTypes {
    /// The section of `APIARY_EVENTS`: variables `<map>_record`, pointers to the record's type;
    /// where there are several, `<map>_record_<tag>`, and `<map>_type_by_<member>`.
    private static let section = ".apiary.events"
    private static let suffix = "_record"

    static func find(_ object: OpenObject, _ functions: [ObjectFunction])
        -> [LoadReport.EventType]
    {
        let types = LibbpfTypes(object)
        var found: [LoadReport.EventType] = []
        let variables = types.variables(in: section)
        for map in object.maps.filter(\.isEventMap) {
            let tagMember = variables.lazy.compactMap {
                Self.rest($0.name, behind: map.name + "_type_by_")
            }.first
            for variable in variables {
                let isWhole = variable.name == map.name + suffix
                let tag = Self.rest(variable.name, behind: map.name + suffix + "_")
                guard isWhole || tag != nil && tagMember != nil,
                    let type = types.record(behind: variable.type)
                else { continue }
                found.append(
                    LoadReport.EventType(
                        map: map.name, type: type, source: .declared, tag: tag,
                        tagMember: tag == nil ? nil : tagMember))
            }
        }
        let undeclared = object.maps.filter { map in
            map.isEventMap && !found.contains { $0.map == map.name }
        }
        let eventMaps = object.maps.filter(\.isEventMap)
        if eventMaps.count == 1, let map = undeclared.first,
            let type = anchor(object, functions, types)
        {
            found.append(LoadReport.EventType(map: map.name, type: type, source: .anchor))
        }
        return found
    }

    private static func rest(_ name: String, behind prefix: String) -> String? {
        guard name.hasPrefix(prefix), name.utf8.count > prefix.utf8.count else { return nil }
        return String(name.dropFirst(prefix.count))
    }

    /// The one pointer to a struct among the global variables that no code refers to: the idiom
    /// `const struct event *unused __attribute__((unused));`.
    private static func anchor(
        _ object: OpenObject, _ functions: [ObjectFunction], _ types: LibbpfTypes
    ) -> String? {
        var candidates: [String] = []
        for map in object.maps where map.isInternal && map.name != ".kconfig" {
            for variable in types.variables(in: map.name) {
                guard let type = types.record(behind: variable.type),
                    !functions.contains(where: {
                        $0.refers(toMap: map.descriptor, offset: variable.offset)
                    })
                else { continue }
                candidates.append(type)
            }
        }
        return candidates.count == 1 ? candidates[0] : nil
    }
}
