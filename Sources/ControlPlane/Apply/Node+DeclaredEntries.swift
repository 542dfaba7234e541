internal import JSON
internal import Problems
internal import Registry

extension Node {
    /// Writes what manifests declare into the maps of a program that was loaded again, as after a
    /// reboot: its maps are new. Before its probes are attached.
    func restoreDeclaredEntries(ofProgram name: String) {
        let rows: [DeclaredEntryRow]
        do { rows = try registry.declaredEntries(ofProgram: name) } catch {
            log.error("declared entries cannot be read", metadata: ["why": "\(error.reason)"])
            return
        }
        guard !rows.isEmpty, let loaded = state.withLock({ $0.programs[name]?.loaded }) else {
            return
        }
        write(rows, into: loaded)
    }

    /// Writes declared entries into the maps of a load that is new. What does not fit any more is
    /// told in the log, and stays declared.
    func write(_ rows: [DeclaredEntryRow], into loaded: LoadedProgram) {
        for row in rows {
            guard let map = loaded.maps[row.map] else { continue }
            do {
                let document = try JSONValue.parse(row.document).object ?? JSONObject()
                let bytes = try bytes(map, EntryStyle())
                defer { bytes.objects?.release() }
                let key = try bytes.key(document["key"] ?? .null, at: .root)
                try map.write(key, try bytes.value(document, at: .root), .any)
            } catch {
                log.error(
                    "a declared entry is not written",
                    metadata: [
                        "map": "\(loaded.name)/\(row.map)", "key": "\(row.key)", "why": "\(error)",
                    ])
            }
        }
    }
}
