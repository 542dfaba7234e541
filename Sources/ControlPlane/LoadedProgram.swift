internal import BPF
internal import BTF
internal import Loading

/// The kernel's side of a program, opened from its pins. A fresh load and the adoption after a
/// restart both end here: nothing in it knows which of the two it was.
final class LoadedProgram: Sendable {
    let name: String
    let directory: String
    let report: LoadReport
    let functions: [String: Program]
    let kernelIDs: [String: UInt32]
    let maps: [String: LoadedMap]
    /// The kernel's copy of the object's types; nil where it was loaded without BTF.
    let types: BTFTypes?
    /// The kernel's id of them; 0 where there are none.
    let btfID: UInt32

    /// - Parameter directory: the load's pins.
    /// - Throws: the kernel's error for a pin that is missing or is not what the report says.
    init(name: String, directory: String, report: LoadReport) throws(BPFError) {
        self.name = name
        self.directory = directory
        self.report = report
        var functions: [String: Program] = [:]
        var kernelIDs: [String: UInt32] = [:]
        var btfID: UInt32 = 0
        for function in report.functions {
            guard let pin = function.pin else { continue }
            let program = try Program(pinned: directory + "/" + pin)
            let info = try program.info()
            if btfID == 0 { btfID = info.btfID }
            functions[function.name] = program
            kernelIDs[function.name] = info.id
        }
        var opened: [(LoadReport.Map, Map)] = []
        for entry in report.maps {
            guard let pin = entry.pin else { continue }
            let map = try Map(pinned: directory + "/" + pin)
            if btfID == 0 { btfID = map.info.btfID }
            opened.append((entry, map))
        }
        self.btfID = btfID
        let types = btfID == 0 ? nil : try KernelTypes.types(id: btfID)
        var maps: [String: LoadedMap] = [:]
        for (entry, map) in opened {
            // A map that is reused has the types of the object that it came with.
            let isOwn = [0, btfID].contains(map.info.btfID)
            let kernel = isOwn ? types : try KernelTypes.types(id: map.info.btfID)
            maps[entry.name] = LoadedMap(
                program: name, entry: entry, map: map, kernel: kernel, object: types)
        }
        self.functions = functions
        self.kernelIDs = kernelIDs
        self.maps = maps
        self.types = types
    }

    /// Pins all of it in a directory, what is pinned there already stays.
    /// - Throws: `EEXIST` where something else has a name.
    func pin(in directory: String) throws(BPFError) {
        for function in report.functions {
            guard let pin = function.pin, let program = functions[function.name] else { continue }
            let path = directory + "/" + pin
            if PinnedIDs.id(ofPin: pin, at: path) == kernelIDs[function.name] { continue }
            try program.pin(path)
        }
        for entry in report.maps {
            guard let pin = entry.pin, let map = maps[entry.name]?.map else { continue }
            let path = directory + "/" + pin
            if PinnedIDs.id(ofPin: pin, at: path) == map.info.id { continue }
            try map.pin(path)
        }
    }
}

/// One map of a loaded program, with the plans for its keys and values.
final class LoadedMap: Sendable {
    let program: String
    let name: String
    let map: Map
    let keyPlan: ValuePlan
    let valuePlan: ValuePlan
    let hasKeyType: Bool
    let hasValueType: Bool
    /// `BPF_F_…`, those too that only the object tells.
    let flags: UInt32
    let abilities: MapAbilities

    /// - Parameters:
    ///   - kernel: the types that the kernel has of the map.
    ///   - object: those of the program's object, for types of map with which it has none.
    convenience init(
        program: String, entry: LoadReport.Map, map: Map, kernel: BTFTypes?, object: BTFTypes?
    ) {
        let info = map.info
        self.init(
            program: program, name: entry.name, map: map,
            // Of these the kernel forgets that they hold for a map, not for a descriptor.
            flags: info.flags | entry.flags & (MapFlags.readOnly | MapFlags.writeOnly),
            key: Self.plan(kernel, info.btfKeyType, info.keySize)
                ?? Self.plan(object, entry.keyType, info.keySize),
            value: Self.plan(kernel, info.btfValueType, info.valueSize)
                ?? Self.plan(object, entry.valueType, info.valueSize))
    }

    /// A map of anybody's, which has no program here.
    convenience init(kernel map: Map, types: BTFTypes?) {
        let info = map.info
        self.init(
            program: "", name: info.name, map: map, flags: info.flags,
            key: Self.plan(types, info.btfKeyType, info.keySize),
            value: Self.plan(types, info.btfValueType, info.valueSize))
    }

    private init(
        program: String, name: String, map: Map, flags: UInt32, key: ValuePlan?, value: ValuePlan?
    ) {
        self.program = program
        self.name = name
        self.map = map
        self.flags = flags
        abilities = MapAbilities.of(map.info.type)
        keyPlan = key ?? ValuePlan(untyped: map.info.keySize)
        valuePlan = value ?? ValuePlan(untyped: map.info.valueSize)
        hasKeyType = key != nil
        hasValueType = value != nil
    }

    private static func plan(_ types: BTFTypes?, _ type: UInt32, _ size: Int) -> ValuePlan? {
        guard let types, type != 0 else { return nil }
        let plan: ValuePlan?
        // A type that has no plan (a data section) is shown as bytes.
        do { plan = try ValuePlan(types, type: type) } catch { plan = nil }
        return plan?.size == size ? plan : nil
    }
}
