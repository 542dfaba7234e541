internal import BPF
internal import BTF
internal import Linux
internal import Loading

/// What one question about the kernel's objects needs to know of the whole host, looked up once.
final class KernelSurvey {
    private let pins: [KernelObjectID: [String]]
    private let holders: [KernelObjectID: [Holder]]
    private let owners: [KernelObjectID: ApiaryOwner]
    private var uses: [UInt32: (programs: [UInt32], maps: [UInt32])]?
    private var names = LinkNaming()

    init(_ node: Node, _ kind: KernelObjectKind) {
        // Of BTF there are no pins.
        pins = kind == .btf ? [:] : Pins.find()
        holders = Holders.find()
        owners = node.owners()
    }

    private func make(
        _ kind: KernelObjectKind, _ id: UInt32, name: String, type: String,
        _ details: KernelObject.Details
    ) -> KernelObject {
        let key = KernelObjectID(kind, id)
        return KernelObject(
            id: id, name: name, type: type, details: details, pins: pins[key] ?? [],
            holders: holders[key] ?? [], owner: owners[key])
    }

    func program(_ id: UInt32) throws(BPFError) -> KernelObject {
        let program = try Program(id: id)
        let info = try program.info()
        return make(
            .program, id, name: try program.fullName(info), type: info.typeName,
            .program(info, memoryBytes: program.memoryBytes()))
    }

    func map(_ id: UInt32) throws(BPFError) -> KernelObject {
        let map = try Map(id: id)
        return make(
            .map, id, name: map.info.name, type: map.info.type.name,
            .map(map.info, memoryBytes: map.memoryBytes(), isFrozen: map.isFrozen))
    }

    func link(_ id: UInt32) throws(BPFError) -> KernelObject {
        let link = try Link(id: id)
        let info = try link.info()
        let target = try link.details()
        return make(
            .link, id, name: "", type: info.typeName, .link(info, target, names.names(of: target)))
    }

    func btf(_ id: UInt32) throws(BPFError) -> KernelObject {
        let info = try KernelTypes.info(id: id)
        let known: [UInt32: (programs: [UInt32], maps: [UInt32])]
        if let uses { known = uses } else { known = try findUses() }
        uses = known
        let (programs, maps) = known[id] ?? ([], [])
        return make(.btf, id, name: info.name, type: "", .btf(info, programs: programs, maps: maps))
    }

    /// Which programs and maps use each BTF object.
    private func findUses() throws(BPFError) -> [UInt32: (programs: [UInt32], maps: [UInt32])] {
        var uses: [UInt32: (programs: [UInt32], maps: [UInt32])] = [:]
        for id in try Inventory.programIDs() {
            do throws(BPFError) {
                let btf = try Program(id: id).info().btfID
                if btf != 0 { uses[btf, default: ([], [])].programs.append(id) }
            } catch {
                // It went away meanwhile.
            }
        }
        for id in try Inventory.mapIDs() {
            do throws(BPFError) {
                let btf = try Map(id: id).info.btfID
                if btf != 0 { uses[btf, default: ([], [])].maps.append(id) }
            } catch {
                // It went away meanwhile.
            }
        }
        return uses
    }
}

extension Node {
    /// Apiary's names of what the kernel holds for it.
    func owners() -> [KernelObjectID: ApiaryOwner] {
        let (programs, probes) = state.withLock {
            (Array($0.programs.values), Array($0.probes.values))
        }
        var owners: [KernelObjectID: ApiaryOwner] = [:]
        for record in programs {
            guard let loaded = record.loaded else { continue }
            for (function, id) in loaded.kernelIDs {
                owners[KernelObjectID(.program, id)] = ApiaryOwner(
                    program: loaded.name, function: function)
            }
            for (name, map) in loaded.maps {
                owners[KernelObjectID(.map, map.map.info.id)] = ApiaryOwner(
                    program: loaded.name, map: name)
                let btf = map.map.info.btfID
                if btf != 0 {
                    owners[KernelObjectID(.btf, btf)] = ApiaryOwner(program: loaded.name)
                }
            }
            if loaded.btfID != 0 {
                owners[KernelObjectID(.btf, loaded.btfID)] = ApiaryOwner(program: loaded.name)
            }
        }
        for probe in probes {
            for id in probe.attachment?.linkIDs ?? [] {
                owners[KernelObjectID(.link, id)] = ApiaryOwner(
                    program: probe.row.program, function: probe.row.function, probe: probe.row.id)
            }
        }
        return owners
    }
}
