internal import BPF
internal import Linux
internal import Problems
internal import Registry

/// What the lookout remembers from one look to the next.
struct LookoutMemory: Sendable {
    /// The inodes of pins that were found to be ours since the last look at everything, and before
    /// it: the same inode is the same object.
    private var inodes: [String: UInt64] = [:]
    private var earlier: [String: UInt64] = [:]
    /// The bpffs cannot be written now, and no pin of it opened.
    var isReadOnly = false
    /// When a probe that waits is tried again, and how long it has to wait the next time.
    var retries: [String: (at: UInt64, pause: UInt64)] = [:]

    /// Whether the pin was found to be ours, and is still the same.
    mutating func knows(_ path: String, _ inode: UInt64) -> Bool {
        if inodes[path] == inode { return true }
        guard earlier[path] == inode else { return false }
        inodes[path] = inode
        return true
    }

    mutating func note(_ path: String, _ inode: UInt64) { inodes[path] = inode }

    /// A look at everything begins: what it does not come by any more is forgotten at the next.
    mutating func begin(_ isProbe: (String) -> Bool) {
        earlier = inodes
        inodes = [:]
        retries = retries.filter { isProbe($0.key) }
    }
}

extension Node {
    /// Starts to look after what is attached; at the end of the reconciliation.
    func startLookout() {
        do {
            // Its first look needs it: it waits for this lock.
            try lookout.withLock { lookout throws(Errno) in
                lookout = try Lookout { [weak self] in self?.look($0) ?? .nothing }
            }
        } catch {
            log.error(
                "what others do to pins and links is not seen", metadata: ["errno": "\(error)"])
        }
    }

    /// Looks once at everything.
    func look(_ reason: Lookout.Reason) -> Lookout.Next {
        var isDone = true
        let records = state.withLock { $0 }
        if reason == .event {
            ensureDirectory()
            watchDirectories(records)
            lookoutMemory.withLock { $0.begin { records.probes[$0] != nil } }
            noteReadOnly()
            for record in records.programs.values.sorted(by: { $0.row.name < $1.row.name }) {
                guard let loaded = record.loaded, !isWhole(loaded) else { continue }
                isDone =
                    underLock(record.row.name) { restorePins(ofProgram: record.row.name) }
                    && isDone
            }
        }
        var isRepeated = false
        for record in records.probes.values.sorted(by: { $0.row.id < $1.row.id }) {
            guard record.row.enabled, let program = records.programs[record.row.program],
                let loaded = program.loaded
            else { continue }
            let id = record.row.id
            if let attachment = record.attachment {
                if record.attach.kind.isLookedAfter { isRepeated = true }
                if reason == .event || record.attach.kind.isLookedAfter,
                    trouble(of: record, attachment, loaded) != nil
                {
                    isDone = underLock(record.row.program) { mend(id) } && isDone
                }
            } else if record.row.whenGone == .wait {
                isRepeated = true
                if isDue(id), PlaceOnHost(record.attach, self).isThere {
                    isDone = underLock(record.row.program) { comeBack(id) } && isDone
                }
            }
        }
        return !isDone ? .again : isRepeated ? .tick : .nothing
    }

    /// A change that is at work with the program makes things look as if they were amiss: then the
    /// next look is early enough.
    /// - Returns: false where that has to come by itself.
    private func underLock(_ program: String, _ body: () -> Void) -> Bool {
        locks.tryWithLock([program], body)
    }

    private func isDue(_ id: String) -> Bool {
        let now = Clock.monotonicNanoseconds()
        return lookoutMemory.withLock { ($0.retries[id]?.at ?? 0) <= now }
    }

    /// Without watches a pin that is taken away is seen at the next change.
    private func watchDirectories(_ records: State) {
        guard let lookout = lookout.withLock({ $0 }) else { return }
        var paths = [configuration.bpffsDirectory]
        paths += records.programs.values.compactMap(\.loaded?.directory)
        for path in paths {
            // One that is away is made again, and then watched.
            try? lookout.watch(path)
        }
    }

    /// A bpffs that was unmounted or wiped is there again.
    private func ensureDirectory() {
        let directory = configuration.bpffsDirectory
        do throws(Errno) {
            if let place = try BPFFileSystem.ensure(directory) {
                log.warning(
                    "the bpffs was gone, and is mounted again", metadata: ["at": "\(place)"])
            }
        } catch {
            log.error(
                "there is no bpffs for our pins",
                metadata: ["directory": "\(directory)", "errno": "\(error)"])
        }
    }

    /// A pin on a read-only bpffs cannot be opened, and so not be told from another's.
    private func noteReadOnly() {
        // One that is gone is told of above.
        let isReadOnly = (try? FileSystem.isReadOnly(configuration.bpffsDirectory)) ?? false
        let wasReadOnly = lookoutMemory.withLock { memory in
            defer { memory.isReadOnly = isReadOnly }
            return memory.isReadOnly
        }
        if isReadOnly != wasReadOnly {
            log.warning(
                isReadOnly
                    ? "the bpffs is read-only: no changes" : "the bpffs can be written again",
                metadata: ["directory": "\(configuration.bpffsDirectory)"])
        }
    }

    private func isWhole(_ loaded: LoadedProgram) -> Bool {
        if lookoutMemory.withLock({ $0.isReadOnly }) { return true }
        return PinnedIDs(loaded).ids.allSatisfy { isOurs($0.key, loaded.directory, id: $0.value) }
    }

    /// Whether the object that was pinned there is still.
    private func isOurs(_ name: String, _ directory: String, id: UInt32) -> Bool {
        let path = directory + "/" + name
        // What is not there has no inode.
        guard let inode = (try? FileSystem.identity(path))?.inode else { return false }
        if lookoutMemory.withLock({ $0.knows(path, inode) }) { return true }
        do throws(BPFError) {
            guard try PinnedIDs.found(ofPin: name, at: path) == id else { return false }
        } catch {
            return error.isShortage
        }
        lookoutMemory.withLock { $0.note(path, inode) }
        return true
    }

    /// Pins again what was unpinned. Where somebody has pinned something else at our path, all goes
    /// to a directory of another name, and his thing stays.
    private func restorePins(ofProgram name: String) {
        guard let record = state.withLock({ $0.programs[name] }), let loaded = record.loaded,
            !isWhole(loaded)
        else { return }
        let pins = PinnedIDs(loaded)
        let isForeign = pins.ids.contains { pin, id in
            FileSystem.exists(loaded.directory + "/" + pin)
                && !isOurs(pin, loaded.directory, id: id)
        }
        do {
            if isForeign {
                try move(record, loaded)
            } else {
                try FileSystem.makeDirectory(loaded.directory)
                try loaded.pin(in: loaded.directory)
            }
            log.warning(
                isForeign
                    ? "somebody else's thing is pinned where a program's was: pinned elsewhere"
                    : "the pins of a program were gone: pinned again",
                metadata: ["program": "\(name)"])
        } catch {
            log.error(
                "the pins of a program are gone",
                metadata: ["program": "\(name)", "why": "\(error)"])
        }
    }

    private func move(_ record: ProgramRecord, _ loaded: LoadedProgram) throws {
        var record = record
        let old = record.row.loadID
        record.row.loadID = Names.makeLoadID()
        let directory = pinPath(record.row.loadID)
        try intend([record.row.loadID], .load, subject: record.row.name)
        do {
            try FileSystem.makeDirectory(directory)
            try loaded.pin(in: directory)
            record.loaded = try LoadedProgram(
                name: record.row.name, directory: directory, report: loaded.report)
            let origin = ChangeOrigin(requestID: "-", actor: "apiary", action: "pins_moved")
            try commitLoad(&record, [], retiring: [], origin)
        } catch {
            removeLoad(record.row.loadID)
            forget([record.row.loadID])
            throw error
        }
        removeLoad(old, known: PinnedIDs(loaded))
    }
}
