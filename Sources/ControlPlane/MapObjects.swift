internal import BPF
internal import BTF
internal import JSON
internal import Linux
internal import Loading
internal import Problems
internal import Synchronization

/// Keys and values that stand for objects of the kernel's: user space gives a descriptor and gets
/// an id, or nothing. Clients give names.
final class MapObjects: Sendable {
    enum Form: Sendable {
        case map, function, cgroup, socket, stack(hasBuildIDs: Bool)
        case socketStorage, inodeStorage, taskStorage, cgroupStorage
        /// `struct bpf_devmap_val` and `bpf_cpumap_val`: a number and a function.
        case slot(SlotNumber)
    }

    private let form: Form
    let map: LoadedMap
    private let node: Node
    let functions: [String: Program]
    /// What the load made the functions for (`AttachType`).
    let attachTypes: [String: UInt32]
    /// Names of maps and functions by the kernel's ids.
    let names: [UInt32: String]
    private let symbols: KernelSymbols?
    /// Descriptors that are in keys and values until those are used.
    private let held = Mutex<[any Sendable]>([])

    /// nil for maps whose keys and values are bytes.
    init?(_ map: LoadedMap, _ node: Node) {
        guard let form = Self.form(of: map) else { return nil }
        self.form = form
        self.map = map
        self.node = node
        let programs = node.state.withLock { $0.programs }
        let own = map.program.isEmpty ? nil : node.loadedProgram(map.program)
        functions = own?.functions ?? [:]
        attachTypes = Dictionary(
            own?.report.functions.map { ($0.name, $0.expectedAttachType) } ?? [],
            uniquingKeysWith: { $1 })
        var names: [UInt32: String] = [:]
        switch form {
        case .map:
            for (name, record) in programs where node.contains(Onlooker.scope, program: name) {
                let loaded = StagedPrograms.current[name] ?? record.loaded
                for map in loaded?.maps.values ?? [:].values {
                    names[map.map.info.id] = name + "/" + map.name
                }
            }
        case .function, .slot: for (name, id) in own?.kernelIDs ?? [:] { names[id] = name }
        default: break
        }
        self.names = names
        if case .stack(hasBuildIDs: false) = form { symbols = .shared } else { symbols = nil }
    }

    /// Whether values are maps or programs, of whatever program.
    static func areValues(of map: LoadedMap) -> Bool {
        switch form(of: map) {
        case .map, .function, .slot: true
        default: false
        }
    }

    private static func form(of map: LoadedMap) -> Form? {
        switch map.map.info.type {
        case .arrayOfMaps, .hashOfMaps: .map
        case .progArray: .function
        // Of four bytes they are the number alone.
        case .devmap, .devmapHash: map.map.info.valueSize == 8 ? .slot(.interfaceIndex) : nil
        case .cpumap: map.map.info.valueSize == 8 ? .slot(.queueSize) : nil
        case .cgroupArray: .cgroup
        case .sockmap, .sockhash, .reuseportSockarray, .xskmap: .socket
        case .stackTrace: .stack(hasBuildIDs: map.map.info.flags & 1 << 5 != 0)
        case .skStorage: .socketStorage
        case .inodeStorage: .inodeStorage
        case .taskStorage: .taskStorage
        case .cgrpStorage: .cgroupStorage
        default: nil
        }
    }

    // MARK: Reading requests

    /// The bytes of a key that is an object; nil where keys are bytes.
    func key(_ value: JSONValue, at pointer: JSONPointer) throws(Problem) -> [UInt8]? {
        switch form {
        case .taskStorage:
            guard let number = value.int, let processID = Int32(exactly: number), number > 0 else {
                throw invalid("a key is a process id, 1234", pointer)
            }
            return try hold("process \(number)", pointer) { () throws(Errno) in
                let process = try ProcessDescriptor(processID: processID)
                return try process.descriptor.duplicate()
            }
        case .socketStorage: return try socket(value, "a key", pointer)
        case .inodeStorage: return try path(value, "a key", pointer, openedAs: Self.pathOnly)
        case .cgroupStorage:
            return try path(value, "a key", pointer, openedAs: [.read, .directory])
        default: return nil
        }
    }

    /// The bytes of a value that is an object; nil where values are bytes.
    func value(_ value: JSONValue, at pointer: JSONPointer) throws(Problem) -> [UInt8]? {
        switch form {
        case .map:
            let (given, place) = named(value, "map", pointer)
            guard let text = given else {
                throw invalid(
                    "a value is a map, \"program/map\" or {\"map\":\"program/map\"}", pointer)
            }
            guard let slash = text.firstIndex(of: "/") else {
                throw invalid("a map is named by \"program/map\"", place)
            }
            let (program, name) = (
                String(text[..<slash]), String(text[text.index(after: slash)...])
            )
            var inner = StagedPrograms.current[program]?.maps[name]
            if inner == nil { inner = try node.map(program, name).loaded }
            guard let inner else { return nil }
            keep(inner)
            return bytes(of: inner.map.lentDescriptor)
        case .function:
            let (given, place) = named(value, "function", pointer)
            guard let name = given else {
                throw invalid("a value is a function, \"name\" or {\"function\":\"name\"}", pointer)
            }
            return bytes(of: try function(name, place).lentDescriptor)
        case .cgroup: return try path(value, "a value", pointer, openedAs: [.read, .directory])
        case .socket: return try socket(value, "a value", pointer)
        case .slot(let number): return try slot(value, number, pointer)
        case .stack, .socketStorage, .inodeStorage, .taskStorage, .cgroupStorage: return nil
        }
    }

    /// What the kernel wants for a value that came as bytes, as they are shown: in a slot they have
    /// the function's id, where the kernel takes a descriptor of this process.
    func given(_ bytes: [UInt8], at pointer: JSONPointer) throws(Problem) -> [UInt8] {
        if case .slot = form { try slot(shown: bytes, pointer) } else { bytes }
    }

    /// A function of the map's program, held until `release()`.
    func function(_ name: String, _ place: JSONPointer) throws(Problem) -> Program {
        guard let function = functions[name] else {
            throw Problem(
                .invalidValue,
                "Program \(map.program) has no function \(name)"
                    + NearMatches.clause(for: name, among: functions.keys) + ".",
                pointer: place.description)
        }
        keep(function)
        return function
    }

    /// An object by its name, as a text or as the only member of an object.
    private func named(_ value: JSONValue, _ member: String, _ pointer: JSONPointer) -> (
        name: String?, place: JSONPointer
    ) {
        if let name = value.string { return (name, pointer) }
        let name = value.object?.count == 1 ? value[member]?.string : nil
        return (name, pointer.appending(member))
    }

    /// O_PATH: the file is named, not opened.
    private static let pathOnly = OpenFlags(rawValue: 0o10_000_000)

    private func path(
        _ value: JSONValue, _ what: String, _ pointer: JSONPointer, openedAs flags: OpenFlags
    ) throws(Problem) -> [UInt8] {
        guard let text = value["path"]?.string ?? value.string, text.hasPrefix("/") else {
            throw invalid("\(what) is a file by its absolute path, {\"path\":\"/…\"}", pointer)
        }
        return try hold(text, pointer) { () throws(Errno) in
            try FileDescriptor.open(text, flags)
        }
    }

    private func socket(_ value: JSONValue, _ what: String, _ pointer: JSONPointer)
        throws(Problem) -> [UInt8]
    {
        guard value.object?.count == 2,
            let process = value["pid"]?.int.flatMap(Int32.init(exactly:)),
            let number = value["fd"]?.int.flatMap(Int32.init(exactly:)), process > 0, number >= 0
        else { throw invalid("\(what) is a socket of a process, {\"pid\":1,\"fd\":3}", pointer) }
        return try hold("descriptor \(number) of process \(process)", pointer) {
            () throws(Errno) in
            let owner = try ProcessDescriptor(processID: process)
            return try owner.descriptor(number)
        }
    }

    func invalid(_ wanted: String, _ pointer: JSONPointer) -> Problem {
        Problem(
            .invalidValue, "In map \(map.name), of type \(map.map.info.type.name), \(wanted).",
            pointer: pointer.description)
    }

    private func hold(
        _ what: String, _ pointer: JSONPointer,
        _ open: () throws(Errno) -> FileDescriptor
    ) throws(Problem) -> [UInt8] {
        do throws(Errno) {
            let file = SharedDescriptor(try open())
            keep(file)
            return bytes(of: file.descriptor.raw)
        } catch {
            throw Problem(
                .invalidValue, "\(what) cannot be opened: \(error).", errno: error.name,
                pointer: pointer.description, cause: error)
        }
    }

    func keep(_ object: any Sendable) { held.withLock { $0.append(object) } }

    /// Lets go what keys and values have named so far: they are used.
    func release() { held.withLock { $0.removeAll() } }

    /// A descriptor as a key or value; those of eight bytes take the number in the first four.
    private func bytes(of descriptor: Int32) -> [UInt8] {
        var size = 4
        if case .socket = form { size = map.map.info.valueSize }
        return (0..<size).map { index in
            index < 4 ? UInt8(truncatingIfNeeded: descriptor >> Int32(8 * index)) : 0
        }
    }

    /// Whether what the kernel gives back stands for what it was given.
    var isReadable: Bool {
        switch form {
        case .map, .function, .slot, .stack, .socketStorage, .inodeStorage, .taskStorage,
            .cgroupStorage:
            true
        case .cgroup, .socket: false
        }
    }

    /// Whether values, not keys, are objects.
    var hasObjectValues: Bool {
        switch form {
        case .map, .function, .slot, .cgroup, .socket: true
        default: false
        }
    }

    // MARK: Writing answers

    /// Appends an entry as the client gave it.
    func writeGiven(
        _ key: EntryKey, _ value: JSONValue?, _ bytes: MapBytes, _ json: inout JSONWriter
    ) {
        json.object {
            $0.name("key")
            if let shown = key.shown {
                $0.value(shown)
            } else {
                bytes.writeKey(key.bytes.span, to: &$0)
            }
            $0.member("value", value ?? .null)
        }
    }

    /// Appends the value as the object that it stands for; false where it is bytes.
    func write(_ bytes: Span<UInt8>, to json: inout JSONWriter) -> Bool {
        switch form {
        case .map: named("map", number(bytes, 0, 4), &json)
        case .function: named("function", number(bytes, 0, 4), &json)
        case .slot(let slot): write(slot, number(bytes, 0, 4), number(bytes, 4, 4), &json)
        case .socket:
            json.object { $0.member("cookie", number(bytes, 0, bytes.count)) }
        case .stack(let hasBuildIDs):
            if hasBuildIDs { buildIDs(bytes, &json) } else { frames(bytes, &json) }
        case .cgroup, .socketStorage, .inodeStorage, .taskStorage, .cgroupStorage: return false
        }
        return true
    }

    private func named(_ kind: String, _ id: UInt64, _ json: inout JSONWriter) {
        json.object {
            if let name = names[UInt32(truncatingIfNeeded: id)] {
                $0.member(kind, name)
            } else {
                $0.member("id", id)
            }
        }
    }

    /// Return addresses, innermost first, up to the first 0.
    private func frames(_ bytes: Span<UInt8>, _ json: inout JSONWriter) {
        json.array { json in
            for place in stride(from: 0, to: bytes.count - 7, by: 8) {
                let address = number(bytes, place, 8)
                if address == 0 { break }
                json.element { json in
                    json.object {
                        $0.member("address", "0x" + String(address, radix: 16))
                        guard let found = symbols?.find(address) else { return }
                        $0.member("symbol", found.name)
                        $0.member("offset", found.offset)
                    }
                }
            }
        }
    }

    /// `struct bpf_stack_build_id`: status, the build id of 20 bytes, the offset in the file or,
    /// with status 2, the address.
    private func buildIDs(_ bytes: Span<UInt8>, _ json: inout JSONWriter) {
        json.array { json in
            for place in stride(from: 0, to: bytes.count - 31, by: 32) {
                let status = number(bytes, place, 4)
                if status == 0 { break }
                json.element { json in
                    json.object {
                        let offset = number(bytes, place + 24, 8)
                        guard status == 1 else {
                            $0.member("address", "0x" + String(offset, radix: 16))
                            return
                        }
                        $0.name("build_id")
                        $0.hex(bytes.extracting(place + 4..<place + 24))
                        $0.member("offset", offset)
                    }
                }
            }
        }
    }

    func number(_ bytes: Span<UInt8>, _ offset: Int, _ size: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(size, 8, bytes.count - offset) {
            value |= UInt64(bytes[offset + index]) << UInt64(8 * index)
        }
        return value
    }
}
