// Declaration tags (`__attribute__((btf_decl_tag("…")))`, kernel 5.16): words put on members.
extension BTFTypes {
    /// The names of the members of a struct that carry the tag `text`.
    public func members(of type: ID, tagged text: String) -> [String] {
        let structure = resolve(type)
        return members(of: structure).enumerated().filter { index, _ in
            declarationTags(on: structure, member: index).contains(text)
        }.map(\.element.name)
    }

    /// The names that the enums have which are the types of members of this name, in any struct.
    public func enumeratorNames(ofMembersNamed name: String) -> [String] {
        for id in max(firstID, 1)..<max(count32, firstID, 1) {
            guard let record = record(of: id), record.kind == .structure else { continue }
            for member in members(of: id) where member.name == name {
                let names = enumerators(of: member.type).map(\.name)
                if !names.isEmpty { return names }
            }
        }
        return []
    }

    private var count32: ID { ID(clamping: count) }
}
