internal import JSON
internal import Problems
internal import Registry

// How entries are taken back of an apply that does not come to its end.
extension ApplyRun {
    /// Notes how entries are now that are about to be written.
    func noteUndo(_ writes: [Write], _ map: LoadedMap, _ bytes: MapBytes) throws(Problem) {
        // A map of a new load's own goes with it, if it does not come to that.
        guard let (row, name) = registered(map) else { return }
        let isObject = bytes.objects?.hasObjectValues == true
        let style = EntryStyle(encoding: isObject ? .typed : .hex)
        let exact = try node.bytes(map, style)
        var rows: [EntryUndoRow] = []
        for write in writes {
            let key = try bytes.key(write.key, at: write.place.appending("key"))
            let before = try map.present(key)
            var json = JSONWriter(capacity: 256)
            if let before {
                exact.write(key: key, value: before, to: &json)
            } else {
                exact.write(
                    key: key, value: [UInt8](repeating: 0, count: map.map.lookupBytes), to: &json)
            }
            rows.append(
                EntryUndoRow(
                    program: row.name, loadID: row.loadID, map: name,
                    document: String(decoding: json.bytes(), as: UTF8.self),
                    wasAbsent: before == nil))
            bytes.objects?.release()
        }
        do { try node.registry.noteUndo(rows) } catch {
            throw Problem(error, while: "note how to take the entries back")
        }
        undoRows += rows
    }

    /// Whose map it is now: a new load may use one that is there already.
    private func registered(_ map: LoadedMap) -> (ProgramRow, name: String)? {
        let records = node.state.withLock { Array($0.programs.values) }
        for record in records {
            for present in record.loaded?.maps.values ?? [:].values
            where present.map.info.id == map.map.info.id {
                return (record.row, present.name)
            }
        }
        return nil
    }
}

extension Node {
    /// Puts entries back as they were before an apply that did not come to its end.
    func undoEntries(_ rows: [EntryUndoRow]) {
        for row in rows {
            let record = state.withLock { $0.programs[row.program] }
            guard let record, record.row.loadID == row.loadID,
                let map = record.loaded?.maps[row.map]
            else { continue }
            do {
                let document = try JSONValue.parse(row.document).object ?? JSONObject()
                let bytes = try bytes(map, EntryStyle())
                defer { bytes.objects?.release() }
                let key = try bytes.key(document["key"] ?? .null, at: .root)
                if row.wasAbsent {
                    try map.remove(key)
                } else {
                    try map.write(key, try bytes.value(document, at: .root), .any)
                }
            } catch {
                log.error(
                    "an entry is not put back",
                    metadata: ["map": "\(row.program)/\(row.map)", "why": "\(error)"])
            }
        }
        do { try registry.forgetUndo() } catch {
            log.error("what was undone stays noted", metadata: ["why": "\(error.reason)"])
        }
    }
}
