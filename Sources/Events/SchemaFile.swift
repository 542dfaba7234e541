internal import BTF
internal import JSON
internal import Linux

/// A schema beside the segments whose records it is of: so that they are still understood when
/// neither the program nor the daemon that took them is there any more.
///
/// `schema-<fingerprint>`: a line of JSON, then the types' BTF as the kernel had it.
enum SchemaFile {
    private static let prefix = "schema-"

    /// Writes it, unless it is there. What cannot be written is missing only after a restart.
    static func keep(_ schema: RecordSchema, _ directory: String) {
        let path = directory + "/" + name(schema.fingerprint)
        guard !FileSystem.exists(path), let first = schema.types.first,
            schema.types.allSatisfy({ $0.types === first.types }), let types = first.types.bytes
        else { return }
        var document = JSONObject()
        document["types"] = .array(
            schema.types.map { type in
                [
                    "name": .string(type.name), "id": JSONValue(UInt64(type.typeID)),
                    "addresses": .array(type.addresses.map { .string($0.name) }),
                ]
            })
        if let tag = schema.tag {
            document["by"] = .string(tag.name)
            document["cases"] = .array(
                tag.values.map { value in
                    [JSONValue(Int64(bitPattern: value.value)), JSONValue(UInt64(value.type))]
                })
        }
        let head = JSONValue.object(document).serialized()
        // Without it these records are shown in hex after the next start.
        try? FileSystem.replace(path, with: (head + [10] + types).span)
    }

    /// Removes those that no segment needs any more.
    static func prune(_ directory: String, keeping fingerprints: Set<UInt64>) {
        let kept = Set(fingerprints.map(name))
        // As above.
        for file in (try? FileSystem.list(directory)) ?? []
        where file.hasPrefix(prefix) && !kept.contains(file) {
            try? FileSystem.unlink(directory + "/" + file)
        }
    }

    /// All that are whole, by fingerprint.
    static func all(_ directory: String) -> [UInt64: RecordSchema] {
        var schemas: [UInt64: RecordSchema] = [:]
        // A directory that cannot be listed has none.
        for file in (try? FileSystem.list(directory)) ?? [] where file.hasPrefix(prefix) {
            guard let schema = read(directory + "/" + file), name(schema.fingerprint) == file else {
                continue
            }
            schemas[schema.fingerprint] = schema
        }
        return schemas
    }

    private static func name(_ fingerprint: UInt64) -> String {
        prefix + String(decoding: Journal.hex(fingerprint), as: UTF8.self)
    }

    /// `nil` for what is damaged.
    private static func read(_ path: String) -> RecordSchema? {
        do {
            let bytes = try FileSystem.read(path, limit: 32 << 20)
            guard let end = bytes.firstIndex(of: 10) else { return nil }
            let document = try JSONValue.parse(Array(bytes[..<end]).span)
            let types = try BTFTypes(parsing: Array(bytes[(end + 1)...]))
            let records = try (document["types"]?.array ?? []).map { entry in
                let id = BTFTypes.ID(truncatingIfNeeded: entry["id"]?.uint64 ?? 0)
                return RecordType(
                    name: entry["name"]?.string ?? "", plan: try ValuePlan(types, type: id),
                    types: types, typeID: id,
                    addresses: entry["addresses"]?.array?.compactMap(\.string) ?? [])
            }
            guard let member = document["by"]?.string else {
                return records.first.map { .init($0) }
            }
            let cases = (document["cases"]?.array ?? []).compactMap { entry in
                entry.array.flatMap { pair -> (value: String, type: RecordType)? in
                    guard pair.count == 2, let value = pair[0].int, let index = pair[1].int,
                        records.indices.contains(index)
                    else { return nil }
                    return ("\(value)", records[index])
                }
            }
            return try RecordSchema(by: member, cases)
        } catch {
            return nil
        }
    }
}
