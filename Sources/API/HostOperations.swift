internal import ControlPlane
internal import JSON
internal import Problems

@Sendable func getHost(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let host = service.node.host()
    func ability(_ row: HostView.Ability, _ name: String) -> JSONValue {
        var document = JSONObject()
        document[name] = .string(row.name)
        document["available"] = row.isAvailable.map { .bool($0) } ?? .null
        document["reason"] = JSONValue(row.reason)
        document["errno"] = JSONValue(row.errno)
        document["needs"] = JSONValue(row.needs)
        return .object(document)
    }
    return .json(
        [
            "kernel": [
                "release": .string(host.release), "version": .string(host.version),
                "machine": .string(host.machine),
            ],
            "boot_id": .string(host.bootID),
            "btf": [
                "vmlinux": .bool(host.hasVmlinuxBTF), "modules": JSONValue(host.moduleBTFCount),
            ],
            "lockdown": JSONValue(host.lockdown),
            "capabilities": .array(host.capabilities.map { .string($0) }),
            "libbpf": .string(host.libbpf),
            "cpus": [
                "possible": JSONValue(host.possibleCPUs), "online": JSONValue(host.onlineCPUs),
            ],
            "mounts": ["tracefs": JSONValue(host.tracefs), "bpffs": JSONValue(host.bpffs)],
            "attach_kinds": .array(host.attachKinds.map { ability($0, "kind") }),
            "map_types": .array(host.mapTypes.map { ability($0, "type") }),
        ], int64: try call.int64)
}
