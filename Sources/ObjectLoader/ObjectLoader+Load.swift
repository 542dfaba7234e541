internal import CLibbpf
internal import JSON
internal import Linux
internal import Loading

extension ObjectLoader {
    /// Opens, sets up, loads and pins the object behind `input`.
    static func load(_ input: borrowing FileDescriptor, _ request: LoadRequest)
        throws(LoadFailure) -> LoadReport
    {
        LibbpfLog.capture()
        let (elf, license) = try checkHeader(of: input)
        let object = try OpenObject(input)
        KernelNames(object).spell()
        let functions = try choose(request.onlyFunctions, of: object)
        try setTargets(request, of: functions)
        for function in functions { try checkTarget(of: function, request) }
        try MapOptions.set(request, on: object.maps)
        try MapQuota.check(request, object.maps)
        let types = try ObjectTypes(object)
        let kept = Set(request.reusedMaps.filter { !$0.value.isEmpty }.keys)
        try Globals.set(request.globals, in: object, types, kept: kept)
        let logs = VerifierLogs(request.verifierLog, functions: functions.count)
        for (index, function) in functions.enumerated() { function.use(logs, index: index) }
        let instructions = functions.map(\.instructions)

        for map in object.maps { map.setLinkable(StructOps.hasLinks) }
        let declared = object.maps.map { (name: $0.name, key: $0.keyType, value: $0.valueType) }
        let result = object.load()
        guard result >= 0 else {
            throw Refusal.ofLoad(
                Errno(rawValue: -result), functions: functions, maps: object.maps,
                places: try lines(of: object, elf, in: input), logs: logs, request: request)
        }
        let maps = object.maps.filter { $0.descriptor >= 0 }
        try StructOps.writeValues(maps)
        let structures = try StructOps.structures(maps, functions)
        if let directory = request.pinDirectory { try pin(functions, maps, in: directory) }
        let areKept = request.pinDirectory != nil
        return LoadReport(
            license: license,
            functions: functions.enumerated().map { index, function in
                function.report(
                    target: request.targets[function.name], instructions: instructions[index],
                    pin: areKept ? "p\(index)" : nil, log: logs.ofLoaded(index))
            },
            maps: maps.enumerated().map { index, map in
                let types = declared.first { $0.name == map.name }
                return LoadReport.Map(
                    name: map.name, type: map.type, pin: areKept ? "m\(index)" : nil,
                    isInternal: map.isInternal, flags: map.flags, keyType: types?.key ?? 0,
                    valueType: types?.value ?? 0, structure: structures[map.name])
            },
            globals: Globals.list(object, types),
            eventTypes: EventTypes.find(object, functions),
            libbpfVersion: unsafe String(cString: libbpf_version_string()))
    }

    /// Does of a load what the kernel is not asked for (`WarmUp`).
    static func rehearse(_ input: borrowing FileDescriptor) throws(LoadFailure) -> LoadReport {
        let (_, license) = try checkHeader(of: input)
        let object = try OpenObject(input)
        let functions = try choose(nil, of: object)
        let types = try ObjectTypes(object)
        let logs = VerifierLogs(.brief, functions: functions.count)
        for (index, function) in functions.enumerated() { function.use(logs, index: index) }
        return LoadReport(
            license: license,
            functions: functions.map { function in
                function.report(
                    target: nil, instructions: function.instructions, pin: "p0", log: nil)
            },
            maps: [], globals: Globals.list(object, types),
            eventTypes: EventTypes.find(object, functions),
            libbpfVersion: unsafe String(cString: libbpf_version_string()))
    }

    /// Says in plain words what libbpf would say in its own: that this is no BPF object at all.
    /// - Returns: the file and its license.
    private static func checkHeader(of input: borrowing FileDescriptor) throws(LoadFailure)
        -> (ELFFile, String)
    {
        let elf = try ELFFile(input)
        // EM_NONE is what older compilers wrote; libbpf takes it too.
        guard elf.machine == ELFFile.machineBPF || elf.machine == ELFFile.machineNone else {
            throw LoadFailure(
                .elf,
                "the object is an ELF file for machine \(elf.machine), not for BPF (247): "
                    + "compile it with clang -target bpf")
        }
        guard elf.type == ELFFile.typeRelocatable else {
            throw LoadFailure(
                .elf, "the object is an ELF file of type \(elf.type), not relocatable (1)")
        }
        let bytes = try elf.contents(ofSection: "license", limit: 4096, in: input) ?? []
        return (elf, String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
    }

    private static func lines(
        of object: OpenObject, _ elf: ELFFile, in input: borrowing FileDescriptor
    ) throws(LoadFailure) -> LineInformation? {
        let bytes = try elf.contents(ofSection: ".BTF.ext", limit: 16 << 20, in: input)
        return bytes.map { LineInformation($0, LibbpfTypes(object)) }
    }

    /// Marks which functions are to be loaded, and gives them.
    private static func choose(_ names: [String]?, of object: OpenObject) throws(LoadFailure)
        -> [ObjectFunction]
    {
        for (index, name) in (names ?? []).enumerated() {
            guard object.functions.contains(where: { $0.name == name }) else {
                let near = NearMatches.clause(for: name, among: object.functions.map(\.name))
                throw LoadFailure(
                    .request, "the object has no function \"\(name)\"\(near)",
                    pointer: "/functions/\(index)")
            }
        }
        if let names {
            for function in object.functions { function.setLoaded(names.contains(function.name)) }
        }
        let chosen = object.functions.filter(\.isLoaded)
        for function in chosen where function.type == BPF_PROG_TYPE_UNSPEC {
            throw LoadFailure(
                .elf,
                "function \"\(function.name)\" is in section \"\(function.section)\", which "
                    + "libbpf does not know as a kind of program: use a name such as "
                    + "SEC(\"tracepoint/syscalls/sys_enter_openat\")",
                function: function.name)
        }
        return chosen
    }

    private static func setTargets(_ request: LoadRequest, of functions: [ObjectFunction])
        throws(LoadFailure)
    {
        for (name, target) in request.targets.sorted(by: { $0.key < $1.key }) {
            let pointer = JSONPointer.root.appending("targets").appending(name).description
            guard let function = functions.first(where: { $0.name == name }) else {
                let near = NearMatches.clause(for: name, among: functions.map(\.name))
                throw LoadFailure(
                    .request, "no function \"\(name)\" is to be loaded\(near)", pointer: pointer)
            }
            guard function.hasTarget else {
                throw LoadFailure(
                    .request,
                    "function \"\(name)\" in section \"\(function.section)\" takes no target: "
                        + "only fentry, fexit, fmod_ret, tp_btf, lsm, iter and freplace do",
                    function: name, pointer: pointer)
            }
            let pin = request.targetPins[name]
            if let failure = function.setTarget(target, inProgramAt: pin) {
                throw LoadFailure(
                    .request,
                    "\(pin == nil ? "the kernel's BTF" : "the other program") has no target "
                        + "\"\(target)\" for \"\(name)\""
                        + (pin == nil
                            ? KernelTargets.near(target, section: function.section) : ""),
                    errno: failure, function: name, libbpfLog: LibbpfLog.text, pointer: pointer)
            }
        }
    }

    /// The kernel fixes at the load what such a function attaches to: neither the section nor the
    /// request may be silent.
    private static func checkTarget(of function: ObjectFunction, _ request: LoadRequest)
        throws(LoadFailure)
    {
        let isReplacement = function.type == BPF_PROG_TYPE_EXT
        guard function.hasTarget, request.targets[function.name] == nil,
            isReplacement || function.sectionTarget.isEmpty
        else { return }
        let what =
            isReplacement
            ? "replaces a function of another program, and its section cannot say of which"
            : "attaches to a name in the kernel that its section does not say"
        throw LoadFailure(
            .relocation,
            "function \"\(function.name)\" in section \"\(function.section)\" \(what): the kernel "
                + "fixes that at the load", function: function.name,
            pointer: JSONPointer.root.appending("targets").appending(function.name).description)
    }

    /// Pins by descriptor, in the report's order.
    private static func pin(
        _ functions: [ObjectFunction], _ maps: [ObjectMap], in directory: String
    ) throws(LoadFailure) {
        for (index, function) in functions.enumerated() {
            try pin(function.descriptor, "\(directory)/p\(index)", "function", function.name)
        }
        for (index, map) in maps.enumerated() {
            try pin(map.descriptor, "\(directory)/m\(index)", "map", map.name)
        }
    }

    private static func pin(
        _ descriptor: Int32, _ path: String, _ kind: String, _ name: String
    ) throws(LoadFailure) {
        let result = unsafe bpf_obj_pin(descriptor, path)
        guard result < 0 else { return }
        let errno = Errno(rawValue: -result)
        throw LoadFailure(
            .pin, "\(kind) \"\(name)\" cannot be pinned at \(path): \(errno)", errno: errno,
            libbpfLog: LibbpfLog.text)
    }
}
