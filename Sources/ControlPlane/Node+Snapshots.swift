internal import BPF
internal import Linux
internal import Loading
internal import Problems
internal import Registry

// Maps with "persist": true: their contents outlive a reboot in files of the state directory.
extension Node {
    private var snapshotDirectory: String { configuration.stateDirectory + "/snapshots" }

    /// Refuses `persist` for what cannot be written again as it was.
    /// - Throws: `invalid_member` no such map; `unsupported_map_operation`.
    func checkPersistence(_ options: ProgramOptions, _ loaded: LoadedProgram) throws(Problem) {
        for (name, map) in options.maps.sorted(by: { $0.key < $1.key }) where map.isPersistent {
            guard let held = loaded.maps[name]?.map else { continue }
            let type = held.info.type
            let pointer = "/maps/\(name)/persist"
            guard MapSnapshot.canKeep(type) else {
                throw Problem(
                    .unsupportedMapOperation,
                    "Map \(name) is a \(type.name), whose contents cannot be kept: hash, lru_hash, "
                        + "array, lpm_trie and the per-CPU ones can.", pointer: pointer)
            }
            let bytes = held.info.maxEntries * (held.info.keySize + held.lookupBytes)
            guard bytes <= MapSnapshot.largestBytes else {
                throw Problem(
                    .unsupportedMapOperation,
                    "Map \(name) may hold \(bytes) bytes; at most \(MapSnapshot.largestBytes) are "
                        + "kept over a reboot: lower its max_entries.", pointer: pointer)
            }
        }
    }

    /// Writes a file for each persistent map whose contents have changed since the last.
    /// - Parameter deadline: of the monotonic clock, after which no further map is begun.
    /// - Returns: false where a change of a program was at work, whose maps are not written.
    @discardableResult
    func takeSnapshots(deadline: UInt64 = .max) -> Bool {
        var isWhole = true
        for record in state.withLock({ Array($0.programs.values) })
        where !persistentMaps(of: record).isEmpty {
            guard Clock.monotonicNanoseconds() < deadline else { return false }
            let name = record.row.name
            let isFree = locks.tryWithLock([name]) {
                guard let record = state.withLock({ $0.programs[name] }) else { return }
                for map in persistentMaps(of: record) { takeSnapshot(of: map) }
            }
            if !isFree { isWhole = false }
        }
        return isWhole
    }

    private func persistentMaps(of record: ProgramRecord) -> [LoadedMap] {
        guard let loaded = record.loaded,
            // Nothing is persistent by options that cannot be read.
            let options = try? ProgramOptions(canonicalText: record.row.options)
        else { return [] }
        return options.maps.filter(\.value.isPersistent).keys.sorted().compactMap {
            loaded.maps[$0]
        }
    }

    /// The maps that a new load of a program has from the one before: what is kept of them stays.
    func mapsKept(by loaded: LoadedProgram?, from old: LoadedProgram?) -> [String] {
        guard let loaded, let old else { return [] }
        return loaded.maps.values.filter { $0.map.info.id == old.maps[$0.name]?.map.info.id }
            .map(\.name)
    }

    private func takeSnapshot(of map: LoadedMap) {
        let name = map.program + "/" + map.name
        do {
            let snapshot = try MapSnapshot(of: map.map)
            let bytes = snapshot.file
            let sum = bytes.suffix(8)
            if try isKept(map, Array(sum)) { return }
            let row = SnapshotRow(
                program: map.program, map: map.name, file: Names.makeSnapshotName(),
                entries: snapshot.count, takenAtNanoseconds: Clock.realtimeNanoseconds())
            try FileSystem.makeDirectories(snapshotDirectory, mode: 0o700)
            try FileSystem.replace(snapshotDirectory + "/" + row.file, with: bytes.span)
            let old = try registry.put(row)
            if let old { try FileSystem.unlink(snapshotDirectory + "/" + old) }
            snapshotSums.withLock { $0[name] = (row.file, Array(sum)) }
        } catch {
            log.error(
                "a map's contents are not kept", metadata: ["map": "\(name)", "why": "\(error)"])
        }
    }

    /// Whether the last file has the same contents, and is still the map's: a program that was
    /// deleted, or replaced with new maps, has none.
    private func isKept(_ map: LoadedMap, _ sum: [UInt8]) throws(RegistryError) -> Bool {
        let last = snapshotSums.withLock { $0[map.program + "/" + map.name] }
        guard let last, last.sum == sum else { return false }
        return try registry.snapshots(of: map.program).contains { $0.file == last.file }
    }

    /// Puts back what the last snapshot of each persistent map has; before anything is attached.
    func restoreSnapshots(of loaded: LoadedProgram, _ options: ProgramOptions) {
        let rows: [SnapshotRow]
        do { rows = try registry.snapshots(of: loaded.name) } catch { rows = [] }
        for row in rows where options.maps[row.map]?.isPersistent == true {
            guard let map = loaded.maps[row.map]?.map else { continue }
            do {
                let bytes = try FileSystem.read(
                    snapshotDirectory + "/" + row.file, limit: MapSnapshot.largestBytes * 2)
                guard let snapshot = MapSnapshot(file: bytes) else {
                    log.error(
                        "a kept map's file is broken: the map starts empty",
                        metadata: ["map": "\(loaded.name)/\(row.map)"])
                    continue
                }
                let done = try snapshot.restore(into: map)
                log.notice(
                    "a map has its contents again",
                    metadata: [
                        "map": "\(loaded.name)/\(row.map)",
                        "entries": "\(done.map { "\($0)" } ?? "none: its shape is another now")",
                    ])
            } catch {
                log.error(
                    "a map does not get its contents back",
                    metadata: ["map": "\(loaded.name)/\(row.map)", "why": "\(error)"])
            }
        }
    }

    /// Removes files that no row names: of programs that were deleted, or of a crash.
    func sweepSnapshots() {
        let named: Set<String>
        do { named = try registry.snapshotFiles() } catch { return }
        // Without a directory there is nothing to sweep.
        for file in (try? FileSystem.list(snapshotDirectory)) ?? [] where !named.contains(file) {
            // What stays is swept the next time.
            try? FileSystem.unlink(snapshotDirectory + "/" + file)
        }
    }

    /// Starts the thread that takes snapshots; without persistent maps it sleeps for ever.
    func startSnapshots() {
        guard configuration.snapshotIntervalSeconds > 0 else { return }
        let milliseconds = Int32(clamping: configuration.snapshotIntervalSeconds * 1000)
        do {
            let body: @Sendable () -> Int32 = { [weak self] in
                guard let self else { return -1 }
                let isWhole = takeSnapshots()
                let isNeeded = state.withLock { Array($0.programs.values) }
                    .contains { !self.persistentMaps(of: $0).isEmpty }
                // The change that was at work ends soon.
                return !isNeeded ? -1 : isWhole ? milliseconds : min(milliseconds, 1000)
            }
            // A change that comes now waits for it, and wakes it then.
            try snapshotTimer.withLock { timer throws(Errno) in
                timer = try Timer("snapshots", body)
            }
        } catch {
            log.error("maps are kept at the stop alone", metadata: ["errno": "\(error)"])
        }
    }
}
