internal import ControlPlane
internal import HTTP
internal import JSON
internal import Linux
internal import Problems

/// `GET /v1/kernel/…/{id}` of a kind.
func getKernel(_ kind: KernelObjectKind) -> Route.Handler {
    { service, call throws(Problem) in
        guard let id = UInt32(call.variables[0]), id > 0 else {
            throw Problem(
                .notFound, "\(call.variables[0]) is no id of the kernel's: a number from 1 on.")
        }
        let object = try service.node.kernelObject(kind, id)
        return .json(.object(document(of: object)), int64: try call.int64)
    }
}

/// `GET /v1/kernel/…` of a kind: pages by id, whose cursor is the last one that was shown.
func listKernel(_ kind: KernelObjectKind) -> Route.Handler {
    { service, call throws(Problem) in
        let limit = try call.number("limit", in: 1...1000) ?? 100
        var after: UInt32 = 0
        if let text = try call.parameter("cursor") {
            guard let id = UInt32(try PageCursor.key(text)) else {
                throw Problem(.invalidCursor, "\"\(text)\" is not a next_cursor of this list.")
            }
            after = id
        }
        let objects = try service.node.kernelObjects(
            kind, try filter(call), after: after, limit: limit)
        let shown = objects.prefix(limit)
        let next = objects.count > limit ? shown.last.map { PageCursor.text(String($0.id)) } : nil
        return .json(
            Answer.list(
                shown.map { .object(document(of: $0)) }, next, .string(String(call.revision))),
            int64: try call.int64)
    }
}

private func filter(_ call: Call) throws(Problem) -> KernelFilter {
    var filter = KernelFilter()
    filter.type = try call.parameter("type")
    filter.name = try call.parameter("name")
    filter.tag = try call.parameter("tag")
    let most = Int(UInt32.max)
    filter.program = try call.number("program_id", in: 1...most).map { UInt32($0) }
    filter.map = try call.number("map_id", in: 1...most).map { UInt32($0) }
    if try call.parameter("apiary") != nil { filter.isOurs = try call.flag("apiary") }
    return filter
}

private func document(of object: KernelObject) -> JSONObject {
    var document = JSONObject()
    document["id"] = JSONValue(object.id)
    switch object.details {
    case .program(let info, let memory): add(object, info, memory, to: &document)
    case .map(let info, let memory, let isFrozen):
        document["type"] = .string(object.type)
        document["name"] = .string(object.name)
        document["flags"] = JSONValue(info.flags)
        document["key_size_bytes"] = JSONValue(info.keySize)
        document["value_size_bytes"] = JSONValue(info.valueSize)
        document["max_entries"] = JSONValue(info.maxEntries)
        document["memory_bytes"] = number(memory)
        document["frozen"] = isFrozen.map { .bool($0) } ?? .null
        document["btf_id"] = identifier(info.btfID)
    case .link(let info, let target, let names):
        document["type"] = .string(object.type)
        document["program_id"] = identifier(info.programID)
        document["target"] = .object(KernelLinkTarget.document(target, names))
    case .btf(let info, let programs, let maps):
        document["name"] = .string(object.name)
        document["kernel"] = .bool(info.isKernel)
        document["size_bytes"] = JSONValue(info.size)
        document["program_ids"] = .array(programs.map { JSONValue($0) })
        document["map_ids"] = .array(maps.map { JSONValue($0) })
    }
    if case .btf = object.details {
    } else {
        document["pins"] = .array(object.pins.map { .string($0) })
    }
    document["processes"] = .array(
        object.holders.map { ["pid": JSONValue($0.processID), "comm": .string($0.command)] })
    document["apiary"] = object.owner.map { .object(shown($0)) } ?? .null
    return document
}

private func add(
    _ object: KernelObject, _ info: LoadedInfo, _ memory: Int?, to document: inout JSONObject
) {
    document["type"] = .string(object.type)
    document["name"] = .string(object.name)
    document["tag"] = .string(info.tag)
    document["gpl_compatible"] = .bool(info.isGPLCompatible)
    document["loaded_at"] = Timestamp(bootNanoseconds: info.loadedAtBoottimeNanoseconds).json
    document["uid"] = JSONValue(info.userID)
    document["xlated_size_bytes"] = JSONValue(info.loadedBytes)
    document["jited_size_bytes"] = JSONValue(info.jitedBytes)
    document["memory_bytes"] = number(memory)
    document["verified_instructions"] = JSONValue(info.verifiedInstructions)
    document["map_ids"] = .array(info.mapIDs.map { JSONValue($0) })
    document["btf_id"] = identifier(info.btfID)
    document["statistics"] = statistics(info)
}

/// null for 0, which is no id.
private func identifier(_ id: UInt32) -> JSONValue { id == 0 ? .null : JSONValue(id) }

private func shown(_ owner: ApiaryOwner) -> JSONObject {
    var document = JSONObject()
    document["program"] = .string(owner.program)
    if let function = owner.function { document["function"] = .string(function) }
    if let map = owner.map { document["map"] = .string(map) }
    if let probe = owner.probe { document["probe"] = .string(probe) }
    return document
}

/// A link's target: only the members that the link's type has and the kernel tells.
enum KernelLinkTarget {
    static func document(_ target: LinkDetails, _ names: LinkNames) -> JSONObject {
        var document = JSONObject()
        func add(_ name: String, _ text: String?) {
            if let text { document[name] = .string(text) }
        }
        func add(_ name: String, _ value: (some BinaryInteger)?) {
            if let value { document[name] = JSONValue(value) }
        }
        add("kind", target.perfKind)
        add("attach_type", names.attachType)
        add("tracepoint", target.tracepoint)
        add("symbol", target.function ?? names.symbol)
        if !names.symbols.isEmpty {
            document["symbols"] = .array(names.symbols.map { .string($0) })
        }
        add("binary", target.binary)
        add("offset", target.offset)
        if !target.offsets.isEmpty {
            document["offsets"] = .array(target.offsets.map { JSONValue($0) })
        }
        add("count", target.count)
        if let isReturn = target.isReturn { document["return"] = .bool(isReturn) }
        add("pid", target.processID)
        add("interface", names.interface)
        add("interface_index", target.interfaceIndex)
        add("netns", names.namespace)
        add("netns_inode", target.namespaceInode)
        add("cgroup", names.cgroup)
        add("cgroup_id", target.cgroupID)
        add("iterator", target.iterator)
        add("map_id", target.mapID)
        add("btf_object_id", target.targetObject)
        add("btf_type_id", target.targetType)
        add("perf_type", target.perfEventType)
        add("perf_config", target.perfEventConfig)
        add("family", target.netfilterFamily)
        add("hook", target.netfilterHook)
        add("priority", target.netfilterPriority)
        add("cookie", target.cookie)
        add("missed", target.missed)
        return document
    }
}
