internal import CLibbpf

extension OpenObject {
    /// The object's BTF as it stands now, with the sizes and offsets that libbpf filled in.
    var typeBytes: [UInt8]? {
        guard let types = unsafe types else { return nil }
        var size: UInt32 = 0
        // SAFETY: libbpf's memory, valid until the types change; copied at once.
        guard let start = unsafe btf__raw_data(types, &size) else { return nil }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: Int(size)))
    }
}

/// linux/btf.h and libbpf's btf.h both define these names, which Swift cannot tell apart.
private enum BTFKind {
    static let pointer: UInt32 = 2
    static let structure: UInt32 = 4
    static let union: UInt32 = 5
    static let typedef: UInt32 = 8
    static let volatile: UInt32 = 9
    static let const: UInt32 = 10
    static let restrict: UInt32 = 11
    static let dataSection: UInt32 = 15
    static let typeTag: UInt32 = 18
}

/// The few questions about an object's types that go from a type to the one it refers to.
///
/// Every id and name is checked by libbpf (`btf__type_by_id`, `btf__name_by_offset`); what follows
/// a type was checked when the object was opened (`btf_sanity_check`).
@safe struct LibbpfTypes {
    struct Variable {
        let name: String
        let type: UInt32
        let offset: Int
    }

    // Keeps alive what the types belong to.
    private let object: OpenObject

    init(_ object: OpenObject) { self.object = object }

    /// Variables of a data section, `[]` where there is none of that name.
    func variables(in section: String) -> [Variable] {
        guard let types = unsafe object.types else { return [] }
        let id = unsafe btf__find_by_name_kind(types, section, BTFKind.dataSection)
        guard id > 0, let type = unsafe btf__type_by_id(types, UInt32(id)),
            let first = unsafe btf_var_secinfos(type)
        else { return [] }
        let count = unsafe Int(btf_vlen(type))
        // SAFETY: `count` entries follow the type, which libbpf checked against the blob's end.
        let entries = unsafe UnsafeBufferPointer(start: first, count: count)
        var variables: [Variable] = []
        for index in 0..<count {
            let entry = unsafe entries[index]
            guard let variable = unsafe btf__type_by_id(types, entry.type),
                let name = unsafe btf__name_by_offset(types, variable.pointee.name_off)
            else { continue }
            variables.append(
                Variable(
                    name: unsafe String(cString: name), type: unsafe variable.pointee.type,
                    offset: Int(entry.offset)))
        }
        return variables
    }

    /// The name of the struct, union, or typedef of one, that a type points to; `nil` for
    /// every other type, and for a struct without a name.
    func record(behind id: UInt32) -> String? {
        guard let types = unsafe object.types else { return nil }
        var id = id
        var name: String?
        var isPointer = false
        // BTF has no depth limit and libbpf checks no loops of qualifiers: 32 is enough for C.
        for _ in 0..<32 {
            guard let type = unsafe btf__type_by_id(types, id) else { return nil }
            let kind = unsafe btf_kind(type)
            switch UInt32(kind) {
            case BTFKind.pointer where !isPointer: isPointer = true
            case BTFKind.const, BTFKind.volatile, BTFKind.restrict, BTFKind.typeTag: break
            case BTFKind.typedef where isPointer:
                name = unsafe name ?? Self.name(of: type, types)
            case BTFKind.structure where isPointer, BTFKind.union where isPointer:
                return unsafe Self.name(of: type, types) ?? name
            default: return nil
            }
            id = unsafe type.pointee.type
        }
        return nil
    }

    /// A string of the types' own table; `nil` beyond its end.
    func text(at offset: UInt32) -> String? {
        guard let types = unsafe object.types,
            let text = unsafe btf__name_by_offset(types, offset)
        else { return nil }
        return unsafe String(cString: text)
    }

    func name(ofType id: UInt32) -> String? {
        guard let types = unsafe object.types, let type = unsafe btf__type_by_id(types, id) else {
            return nil
        }
        return unsafe Self.name(of: type, types)
    }

    @unsafe private static func name(of type: UnsafePointer<btf_type>, _ types: OpaquePointer)
        -> String?
    {
        guard let text = unsafe btf__name_by_offset(types, type.pointee.name_off) else {
            return nil
        }
        let name = unsafe String(cString: text)
        return name.isEmpty ? nil : name
    }
}
