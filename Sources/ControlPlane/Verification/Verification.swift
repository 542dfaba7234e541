internal import BPF
internal import Linux
internal import Loading
internal import Registry

/// What is registered held against what the kernel has, from outside of the daemon: by SQLite, by
/// the pins in bpffs and by the kernel's own lists. Changes nothing, needs no daemon, minds none.
///
/// What must hold: every active registration has exactly one live link of the right function and
/// target, no pin of ours is without a row, every kept object is on the disk, SQLite finds the
/// registry sound.
public struct Verification: Sendable {
    public enum Weight: String, Sendable, Hashable {
        /// Registry and kernel disagree.
        case wrong
        /// A change, or the coming back after a crash or reboot, has not come to its end: a daemon
        /// ends it.
        case unfinished
        /// To know: a registration that is `failed`, a foreign thing.
        case note
    }

    public struct Finding: Sendable, Hashable {
        public let weight: Weight
        /// `programs/x`, `probes/x.f`, `registry`, a path.
        public let subject: String
        public let text: String
    }

    public private(set) var findings: [Finding] = []
    public private(set) var programs = 0
    public private(set) var probes = 0
    public private(set) var links = 0

    let bpffs: String
    let bootID: String
    /// Function of ours by the kernel's id.
    var functions: [UInt32: (program: String, function: String)] = [:]

    /// Looks at everything. A daemon may be at work: where the registry has changed meanwhile all
    /// is looked at again, five times at most.
    /// - Throws: `RegistryError` where there is no registry to read; `Errno`.
    public static func run(stateDirectory: String, bpffsDirectory: String) throws -> Verification {
        let registry = try RegistryStore(reading: stateDirectory + "/registry.sqlite")
        var verification = Verification(bpffs: bpffsDirectory, bootID: try Clock.bootID())
        for _ in 0..<5 {
            verification = Verification(bpffs: bpffsDirectory, bootID: verification.bootID)
            let picture = try registry.picture()
            for line in try registry.quickCheck() { verification.add(.wrong, "registry", line) }
            verification.check(picture, objects: stateDirectory + "/objects")
            let after = try registry.picture()
            if after.revision == picture.revision, after.intents == picture.intents { break }
        }
        return verification
    }

    private init(bpffs: String, bootID: String) {
        self.bpffs = bpffs
        self.bootID = bootID
    }

    public func count(_ weight: Weight) -> Int { findings.count { $0.weight == weight } }

    mutating func add(_ weight: Weight, _ subject: String, _ text: String) {
        findings.append(Finding(weight: weight, subject: subject, text: text))
    }

    private mutating func check(_ picture: RegistryPicture, objects: String) {
        programs = picture.programs.count
        probes = picture.probes.count
        for row in picture.objects {
            let path = objects + "/" + row.digest.dropFirst("sha256:".utf8.count)
            let size: Int?
            // A file that cannot be opened is a missing one.
            do { size = try FileDescriptor.open(path).size() } catch { size = nil }
            if size != row.sizeBytes {
                add(
                    .wrong, "objects/\(row.digest)",
                    "\(path) has \(size.map { "\($0)" } ?? "no") bytes, the row says "
                        + "\(row.sizeBytes)")
            }
        }
        for row in picture.programs { check(row) }
        checkProbes(picture.probes)
        for intent in picture.intents {
            add(.unfinished, intent.subject, "a change of \(intent.name) has not come to its end")
        }
        checkStrays(picture)
    }

    private mutating func check(_ row: ProgramRow) {
        let subject = "programs/\(row.name)"
        switch row.state {
        case .failed:
            add(.note, subject, "is failed: \(StoredProblem.problem(row.problem)?.detail ?? "?")")
            return
        case .deleting:
            add(.unfinished, subject, "is being deleted")
            return
        case .active: break
        }
        guard row.bootID == bootID else {
            add(
                .unfinished, subject,
                row.bootID == Node.detachedBoot
                    ? "was unloaded when the daemon stopped"
                    : "was loaded in another boot and is not loaded again yet")
            return
        }
        // A report that is no JSON is none.
        guard let report = (try? JSONReport(row.report))?.report else {
            add(.wrong, subject, "the row's report cannot be read")
            return
        }
        let known = PinnedIDs(text: row.kernelIDs)
        let directory = bpffs + "/" + row.loadID
        for function in report.functions {
            guard let pin = function.pin else { continue }
            guard let id = PinnedIDs.id(ofPin: pin, at: directory + "/" + pin) else {
                add(
                    .wrong, subject,
                    "function \(function.name) is not pinned at \(row.loadID)/\(pin)")
                continue
            }
            functions[id] = (row.name, function.name)
            if let wanted = known.ids[pin], wanted != id {
                add(
                    .wrong, subject,
                    "\(row.loadID)/\(pin) is program \(id), and \(function.name) was program "
                        + "\(wanted)")
            }
        }
        for map in report.maps {
            guard let pin = map.pin else { continue }
            guard let id = PinnedIDs.id(ofPin: pin, at: directory + "/" + pin) else {
                add(.wrong, subject, "map \(map.name) is not pinned at \(row.loadID)/\(pin)")
                continue
            }
            if let wanted = known.ids[pin], wanted != id {
                add(
                    .wrong, subject,
                    "\(row.loadID)/\(pin) is map \(id), and \(map.name) was map \(wanted)")
            }
        }
    }

    private mutating func checkStrays(_ picture: RegistryPicture) {
        let known = Set(
            picture.programs.map(\.loadID) + picture.probes.map(\.pin)
                + picture.intents.map(\.name))
        // Without a directory there are no pins.
        let names = (try? FileSystem.list(bpffs)) ?? []
        for name in names where !name.contains(".") && !known.contains(Names.base(of: name)) {
            if Names.isOurs(name), isOfOurMaking(name, picture) {
                add(.wrong, bpffs + "/" + name, "is a pin of ours without a row")
            } else {
                add(.note, bpffs + "/" + name, "is foreign")
            }
        }
    }

    /// A name as we make it may have something that somebody else has put there: a link is ours by
    /// its function, or as long as a program of the name of one of our functions is in it.
    private func isOfOurMaking(_ name: String, _ picture: RegistryPicture) -> Bool {
        let path = bpffs + "/" + name
        if name.hasPrefix("o") { return !FileSystem.exists(path + "/" + Node.foreignMark) }
        if FileSystem.kind(path) == .symbolicLink { return true }
        // What is no link was never pinned there by us.
        guard let info = try? Link(pinned: path).info() else { return false }
        if functions[info.programID] != nil || OwnFunctions(bpffs).contains(info.programID) {
            return true
        }
        // The kernel cuts names at 15 bytes.
        guard let kernelName = try? Program(id: info.programID).info().name else { return true }
        return picture.programs.contains { row in
            let report = (try? JSONReport(row.report))?.report
            return report?.functions.contains {
                $0.name.utf8.prefix(15).elementsEqual(kernelName.utf8)
            }
                ?? false
        }
    }

    mutating func count(links number: Int) { links += number }
}
