internal import BPF
internal import JSON
internal import Problems
internal import Registry

// Entries that manifests before this one have declared.
extension ApplyRun {
    /// Deletes those that this owner has declared and does not any more.
    func pruneEntries() throws(Problem) {
        guard manifest.prunes else { return }
        let going = Set(prunedPrograms.map(\.row.name))
        let stale = declared.filter { row in
            row.owner == manifest.owner && !going.contains(row.program)
                && !filled.contains(row.program + "/" + row.map + " " + row.key)
        }
        for (name, rows) in Dictionary(grouping: stale, by: { $0.program + "/" + $0.map })
            .sorted(by: { $0.key < $1.key })
        {
            try step("maps/\(name)", at: nil) { () throws(Problem) in try prune(rows, name) }
        }
    }

    private func prune(_ rows: [DeclaredEntryRow], _ name: String) throws(Problem) {
        prunedEntries += rows
        guard let first = rows.first,
            let map = node.state.withLock({ $0.programs[first.program]?.loaded })?.maps[first.map]
        else { return }
        // A new load's maps have nothing yet, but for those that it keeps.
        if let new = staged[first.program]?.record.loaded,
            new.maps[first.map]?.map.info.id != map.map.info.id
        {
            return
        }
        let bytes = try node.bytes(map, EntryStyle())
        defer { bytes.objects?.release() }
        var writes: [Write] = []
        var differences: [Difference] = []
        for row in rows {
            let document: JSONValue
            // Written by this daemon.
            do { document = try JSONValue.parse(row.document) } catch { continue }
            guard let given = document["key"] else { continue }
            let key = try bytes.key(given, at: .root)
            let before = try map.present(key)
            bytes.objects?.release()
            if before == nil && map.canRead { continue }
            writes.append(Write(key: given, entry: nil, place: .root))
            differences.append(
                Difference(
                    .root.appending("entries").appending(row.key), shown(key, before, bytes), nil))
        }
        try write(
            writes, map,
            Manifest.Contents(program: first.program, map: first.map, entries: [], isExact: false))
        note(
            PlannedChange(
                .delete, .map, name,
                "\(rows.count) of its entries are not declared any more"
                    + (map.map.info.type.isArray ? ": entries of arrays are set to zero." : "."),
                differences))
    }

    /// A new load's maps have what manifests declare, as after a reboot: also what other owners do,
    /// and this one in manifests before. What it keeps of the old load has it already.
    func fillAgain() {
        for stage in staged.values {
            guard let loaded = stage.record.loaded, let old = stage.old?.loaded else { continue }
            let kept = node.mapsKept(by: loaded, from: old)
            let rows = declared.filter { row in
                let map = row.program + "/" + row.map
                return row.program == loaded.name && !kept.contains(row.map)
                    && !exactMaps.contains(map) && !filled.contains(map + " " + row.key)
                    && !(manifest.prunes && row.owner == manifest.owner)
            }
            node.write(rows, into: loaded)
        }
    }
}
