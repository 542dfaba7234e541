internal import BPF
internal import Linux
internal import Registry

/// The functions whose pins lie in load directories of ours: a link that runs one of them is ours,
/// whatever a crash has lost of it.
struct OwnFunctions {
    private let ids: Set<UInt32>

    init(_ bpffs: String) {
        var ids: Set<UInt32> = []
        // Without a directory there is nothing of ours.
        let loads = (try? FileSystem.list(bpffs)) ?? []
        for load in loads where load.hasPrefix("o") && Names.isOurs(load) {
            // One that goes meanwhile holds nothing.
            for pin in (try? FileSystem.list(bpffs + "/" + load)) ?? [] where pin.hasPrefix("p") {
                // What is no function there is nobody's of ours.
                if let id = try? Program(pinned: bpffs + "/" + load + "/" + pin).info().id {
                    ids.insert(id)
                }
            }
        }
        self.ids = ids
    }

    func contains(_ id: UInt32) -> Bool { ids.contains(id) }
}

extension Node {
    func pinPath(_ pin: String) -> String { configuration.bpffsDirectory + "/" + pin }

    /// The pins of one attachment that are there.
    /// - Parameter count: how many there were; a gap in them may be somebody's doing.
    func pinPaths(of pin: String, count: Int = 1) -> [String] {
        if FileSystem.exists(pinPath(pin)) { return [pinPath(pin)] }
        var paths: [String] = []
        var number = 0
        while true {
            let path = pinPath("\(pin)_\(number)")
            if FileSystem.exists(path) {
                paths.append(path)
            } else if number >= count {
                return paths
            }
            number += 1
        }
    }

    /// Removes what lies under a name of ours: a load's directory, a link's pins, what is attached
    /// without a link with its note. What is not ours there stays, and is told in the log.
    /// - Parameter links: the kernel's ids of the links that were pinned there, as far as known.
    func removePins(_ name: String, links: [UInt32] = [], own: OwnFunctions? = nil) throws(Errno) {
        if name.hasPrefix("o") { return try removeLoadPins(name) }
        let paths = pinPaths(of: name, count: links.count)
        // After a detach there is none, and the functions of all loads are not asked for.
        if paths.isEmpty { return }
        let own = own ?? OwnFunctions(configuration.bpffsDirectory)
        for path in paths {
            if FileSystem.kind(path) == .symbolicLink,
                let resident = Resident(text: try FileSystem.resolve(path))
            {
                try resident.detach()
            } else if !isOwnLink(path, links, own) {
                log.warning("a foreign thing at a name of ours stays", metadata: ["pin": "\(path)"])
                continue
            }
            try FileSystem.unlink(path)
        }
    }

    private func isOwnLink(_ path: String, _ known: [UInt32], _ own: OwnFunctions) -> Bool {
        do throws(BPFError) {
            let info = try Link(pinned: path).info()
            return known.contains(info.id) || own.contains(info.programID)
        } catch {
            // What cannot be opened as a link was never pinned by us.
            return error.isShortage
        }
    }

    /// In a load's directory that others have put something into.
    static var foreignMark: String { "foreign" }

    /// Unpins everything of a load that bears the names which the loader gives. The kernel frees it
    /// when the last descriptor is closed.
    /// - Parameter known: what the row says was pinned; another object at such a name stays.
    func removeLoadPins(_ loadID: String, known: PinnedIDs = PinnedIDs(text: "")) throws(Errno) {
        guard Names.isOurs(loadID) else { return }
        let directory = pinPath(loadID)
        guard FileSystem.kind(directory) == .directory else { return }
        // Of a load that did not begin it is empty: that needs no look, and no descriptor.
        if (try? FileSystem.removeDirectory(directory)) != nil { return }
        if FileSystem.exists(directory + "/" + Self.foreignMark), known.ids.isEmpty { return }
        var isEmpty = true
        for name in try namesOfPins(in: directory) {
            let path = directory + "/" + name
            if PinnedIDs.isPin(name), known.isOurs(name, at: path) {
                try FileSystem.unlink(path)
            } else {
                isEmpty = false
                log.warning(
                    "a foreign thing in a load's directory stays", metadata: ["pin": "\(path)"])
            }
        }
        if isEmpty { return try FileSystem.removeDirectory(directory) }
        // No row names the directory from now on: the mark says that what is left is not ours.
        let mark = directory + "/" + Self.foreignMark
        if !FileSystem.exists(mark) {
            try FileSystem.makeSymbolicLink(mark, saying: "left alone: not of apiary's making")
        }
    }
}

/// Without a descriptor for the list, the names that the loader gives, one after the other.
private func namesOfPins(in directory: String) throws(Errno) -> [String] {
    do throws(Errno) { return try FileSystem.list(directory) } catch {
        guard [.emfile, .enfile].contains(error) else { throw error }
        return ["p", "m"].flatMap { kind in
            (0...).lazy.map { "\(kind)\($0)" }.prefix { FileSystem.exists(directory + "/" + $0) }
        }
    }
}

/// The kernel's ids of what a load's directory has pinned, by the pins' names: `p0` a function,
/// `m3` a map.
struct PinnedIDs: Sendable, Hashable {
    private(set) var ids: [String: UInt32] = [:]

    /// As the registry keeps it: `m0:41 p0:91`.
    init(text: String) {
        for word in text.split(separator: " ") {
            let parts = word.split(separator: ":")
            if parts.count == 2, let id = UInt32(parts[1]) { ids[String(parts[0])] = id }
        }
    }

    init(_ loaded: LoadedProgram) {
        for function in loaded.report.functions {
            if let pin = function.pin { ids[pin] = loaded.kernelIDs[function.name] }
        }
        for map in loaded.report.maps {
            if let pin = map.pin { ids[pin] = loaded.maps[map.name]?.map.info.id }
        }
    }

    var text: String {
        ids.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: " ")
    }

    /// A name as the loader makes it.
    static func isPin(_ name: String) -> Bool {
        let digits = name.utf8.dropFirst()
        return (name.hasPrefix("p") || name.hasPrefix("m")) && !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Whether the object pinned at `path` is the one that was pinned there; true too where that is
    /// not known.
    func isOurs(_ name: String, at path: String) -> Bool {
        guard let wanted = ids[name] else { return true }
        do throws(BPFError) { return try Self.found(ofPin: name, at: path) == wanted } catch {
            return error.isShortage
        }
    }

    /// nil where there is none of that kind.
    static func id(ofPin name: String, at path: String) -> UInt32? {
        // What does not open is not ours; the caller says so.
        try? found(ofPin: name, at: path)
    }

    /// - Throws: where there is none of that kind, or it cannot be opened now.
    static func found(ofPin name: String, at path: String) throws(BPFError) -> UInt32 {
        if name.hasPrefix("m") { return try Map(pinned: path).info.id }
        return try Program(pinned: path).info().id
    }
}

extension BPFError {
    /// Descriptors or memory have run out: what is there was not seen, so it is not judged, and
    /// what bears a name of ours counts as ours.
    var isShortage: Bool { errno.isShortage }
}
