internal import BPF
internal import Linux

/// An attachment without a link: it lives in what it is attached to, with no descriptor of ours and
/// no pin, so a symbolic link in our bpffs, the note, says where it is to a later daemon.
enum Resident: Sendable {
    case filter(HeldFilter)
    case socketMap(HeldSocketMap)
    case structure(HeldStructure)

    /// The text of a note.
    var text: String {
        switch self {
        case .filter(let held): held.text
        case .socketMap(let held): held.text
        case .structure(let held): held.text
        }
    }

    /// - Returns: nil where the text is no note.
    init?(text: String) {
        if let held = HeldFilter(text: text) {
            self = .filter(held)
        } else if let held = HeldSocketMap(text: text) {
            self = .socketMap(held)
        } else if let held = HeldStructure(text: text) {
            self = .structure(held)
        } else {
            return nil
        }
    }

    /// What the API calls the type of the link that it has not.
    var typeName: String {
        switch self {
        case .filter: "tc"
        case .socketMap: "sockmap"
        case .structure: "struct_ops"
        }
    }

    /// Once the note is there.
    func attach(_ program: Program) throws(BPFError) {
        switch self {
        case .filter(let held): try held.filter.attach(program)
        case .socketMap(let held): try held.place.put(program)
        case .structure(let held): try held.register()
        }
    }

    /// What is gone already is fine.
    func detach() throws(Errno) {
        switch self {
        case .filter(let held): try held.detach()
        case .socketMap(let held): try held.detach()
        case .structure(let held): try held.detach()
        }
    }

    /// Puts another function in this one's place without a gap.
    /// - Parameter note: the path of the note, which is changed where it names the function.
    /// - Throws: `EOPNOTSUPP` of a structure.
    func replace(with program: Program, notedAt note: String) throws(BPFError) -> Resident {
        switch self {
        case .filter(let held):
            try held.replace(with: program)
            return self
        case .socketMap(let held):
            return .socketMap(try held.replace(with: program, notedAt: note))
        case .structure:
            throw BPFError("bpf_map_update_elem", .eopnotsupp, log: "a structure is not updated")
        }
    }

    func presence() -> Presence {
        switch self {
        case .filter(let held): held.presence()
        case .socketMap(let held): held.place.presence()
        case .structure(let held): held.presence()
        }
    }
}

/// A function in a sockmap without a link, before 6.10.
struct HeldSocketMap: Sendable {
    let place: SocketMapPlace
    /// The function, and while it is exchanged the one before it: the kernel takes out only what it
    /// is told, and before 5.18 does not tell what is there.
    let programIDs: [UInt32]

    /// `sockmap 12 5 91`: map, attach type, functions.
    var text: String {
        "sockmap \(place.mapID) \(place.type.rawValue)"
            + programIDs.map { " \($0)" }.joined()
    }

    init(_ place: SocketMapPlace, programIDs: [UInt32]) {
        self.place = place
        self.programIDs = programIDs
    }

    init?(text: String) {
        let words = text.split(separator: " ")
        let numbers = words.dropFirst().compactMap { UInt32($0) }
        guard words.first == "sockmap", numbers.count >= 3, numbers.count == words.count - 1
        else { return nil }
        place = SocketMapPlace(mapID: numbers[0], type: AttachType(rawValue: numbers[1]))
        programIDs = Array(numbers[2...])
    }

    func detach() throws(Errno) {
        for id in programIDs {
            do throws(BPFError) { try place.takeOut(programID: id) } catch { throw error.errno }
        }
    }

    /// The note names both first: whichever is there after a crash is found by it.
    func replace(with program: Program, notedAt note: String) throws(BPFError) -> HeldSocketMap {
        let id = try program.info().id
        let both = HeldSocketMap(place, programIDs: [id] + programIDs.prefix(1).filter { $0 != id })
        do throws(Errno) {
            // The name of a second pin of the same attachment, which a start removes.
            let temporary = note + "_0"
            if FileSystem.exists(temporary) { try FileSystem.unlink(temporary) }
            try FileSystem.makeSymbolicLink(temporary, saying: both.text)
            try FileSystem.rename(temporary, to: note)
        } catch {
            throw BPFError("rename(\(note))", error)
        }
        try place.put(program)
        return both
    }
}

/// A structure of the kernel's that is registered by a map's value, before 6.4. The map is a copy
/// of the program's: the kernel takes each once only.
struct HeldStructure: Sendable {
    private let mapID: UInt32
    private let making: (map: Map, value: StructureValue)?

    /// `struct_ops 12`: the map.
    var text: String { "struct_ops \(mapID)" }

    /// - Parameter map: not registered yet.
    init(_ map: Map, _ value: StructureValue) {
        mapID = map.info.id
        making = (map, value)
    }

    init?(text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0] == "struct_ops", let id = UInt32(words[1]) else {
            return nil
        }
        mapID = id
        making = nil
    }

    func register() throws(BPFError) {
        guard let making else { preconditionFailure("\(text) is registered already") }
        try making.map.register(making.value)
    }

    func detach() throws(Errno) {
        do throws(BPFError) {
            try Map(id: mapID).unregister()
        } catch {
            guard error.errno == .enoent else { throw error.errno }
        }
    }

    func presence() -> Presence {
        // A map that is gone has no value.
        (try? Map(id: mapID))?.isRegistered == true ? .unnamed : .gone
    }
}
