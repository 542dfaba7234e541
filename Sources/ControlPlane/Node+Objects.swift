internal import Linux
public import Problems
public import Registry

/// What an upload of an object came to.
public struct ObjectOutcome: Sendable {
    public var row: ObjectRow
    /// False where it was kept already.
    public var created: Bool
}

extension Node {
    /// Keeps an object under its digest, so that programs can name it. The same again touches
    /// nothing. Nothing removes it but `deleteObject` and `deleteUnusedObjects`.
    /// - Throws: `digest_mismatch` where the bytes have another digest; `object_refused` where they
    ///   are no ELF file.
    public func putObject(
        _ object: UploadedObject, as digest: String, _ conditions: Conditions, isDryRun: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) -> ObjectOutcome {
        let subject = "objects/\(digest)"
        do {
            return try quotaTurns.run { () throws(Problem) in
                try locks.withLock([digest]) { () throws(Problem) in
                    try putObjectLocked(object, as: digest, conditions, isDryRun: isDryRun, origin)
                }
            }
        } catch {
            if !isDryRun { noteRefusal(error, origin, subject: subject) }
            throw error
        }
    }

    private func putObjectLocked(
        _ object: UploadedObject, as digest: String, _ conditions: Conditions, isDryRun: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) -> ObjectOutcome {
        let present = try presentObject(digest)
        try conditions.check(tag: present?.digest, "digest", of: "Object \(digest)")
        guard object.digest == digest else {
            throw Problem(
                .digestMismatch,
                "The \(object.size) bytes of the body have the digest \(object.digest), "
                    + "the URL says \(digest).")
        }
        if let present, FileSystem.kind(path(of: digest)) == .file {
            return ObjectOutcome(row: present, created: false)
        }
        try Self.checkELF(object)
        let row = ObjectRow(
            digest: digest, sizeBytes: object.size,
            createdAtNanoseconds: Clock.realtimeNanoseconds())
        if isDryRun { return ObjectOutcome(row: row, created: true) }
        try keepLocked(object)
        _ = try commit(origin, subject: "objects/\(digest)") { try $0.put(row) }
        return ObjectOutcome(row: row, created: true)
    }

    /// Forgets an object that no program is made from.
    /// - Returns: false where there is none and `missingIsFine`.
    /// - Throws: `program_in_use` naming the programs; `conflict` while it is loaded or backed up.
    public func deleteObject(
        _ digest: String, _ conditions: Conditions, missingIsFine: Bool, isDryRun: Bool,
        _ origin: ChangeOrigin
    ) throws(Problem) -> Bool {
        try locks.withLock([digest]) { () throws(Problem) in
            let present = try presentObject(digest)
            guard let present else {
                if missingIsFine { return false }
                try conditions.check(tag: nil, "digest", of: "Object \(digest)")
                throw Problem(.notFound, "No object with digest \(digest) is kept here.")
            }
            try conditions.check(tag: present.digest, "digest", of: "Object \(digest)")
            let users = programNames(of: digest)
            guard users.isEmpty else {
                throw Problem(
                    .programInUse,
                    "The object \(digest) is what \(users.joined(separator: ", ")) "
                        + (users.count == 1 ? "is" : "are") + " loaded from: delete that first.")
            }
            guard !objectHolds.contains(digest) else {
                throw Problem(
                    .conflict, "The object \(digest) is being loaded or backed up: ask again.")
            }
            if isDryRun { return true }
            var isHeld = false
            _ = try commit(origin, subject: "objects/\(digest)", isRemoval: true) { transaction in
                // A backup takes hold in the registry's own order: here it can be seen.
                isHeld = objectHolds.contains(digest)
                if !isHeld { try transaction.removeObject(digest) }
            }
            if isHeld {
                throw Problem(.conflict, "The object \(digest) is being backed up: ask again.")
            }
            do { try FileSystem.unlink(path(of: digest)) } catch {
                // The row is gone, so it is nobody's: the next start removes it.
                log.warning("an object's file stays", metadata: ["why": "\(error)"])
            }
            return true
        }
    }

    /// Forgets every object that no program is made from and nobody works with.
    /// - Returns: what was, or with `isDryRun` would be, removed, by digest.
    public func deleteUnusedObjects(isDryRun: Bool, _ origin: ChangeOrigin) throws(Problem)
        -> [ObjectRow]
    {
        var removed: [ObjectRow] = []
        var after = ""
        while true {
            let page = try objects(after: after, limit: 1000)
            guard let last = page.last else { return removed }
            after = last.digest
            for row in page where programNames(of: row.digest).isEmpty {
                do {
                    let isGone = try deleteObject(
                        row.digest, Conditions(), missingIsFine: true, isDryRun: isDryRun, origin)
                    if isGone { removed.append(row) }
                } catch {
                    // Taken into use meanwhile: then it is not unused.
                    guard [.programInUse, .conflict].contains(error.type) else { throw error }
                }
            }
        }
    }

    /// Removes files that no row names: of loads that failed, and of a delete that was cut off.
    /// Before anything is loaded.
    func sweepObjects() throws(RegistryError) {
        sweepCopies()
        let directory = configuration.stateDirectory + "/objects"
        let names: [String]
        do { names = try FileSystem.list(directory) } catch { names = [] }
        for name in names {
            let base = name.hasSuffix(".new") ? String(name.dropLast(4)) : name
            // What has another form of name is nothing of ours.
            guard base.utf8.count == 64,
                base.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) })
            else { continue }
            if base == name, try registry.object("sha256:" + base) != nil { continue }
            do { try FileSystem.unlink(directory + "/" + name) } catch {
                log.warning("an object's file stays", metadata: ["why": "\(error)"])
            }
        }
    }

    /// Copies of the registry that a daemon was killed over.
    private func sweepCopies() {
        let names: [String]
        do { names = try FileSystem.list(configuration.stateDirectory) } catch { names = [] }
        for name in names where name.hasPrefix("backup-o") && name.hasSuffix(".tmp") {
            do { try FileSystem.unlink(configuration.stateDirectory + "/" + name) } catch {
                log.warning("a copy of the registry stays", metadata: ["why": "\(error)"])
            }
        }
    }

    private func presentObject(_ digest: String) throws(Problem) -> ObjectRow? {
        do { return try registry.object(digest) } catch {
            throw Problem(error, while: "look up the object")
        }
    }

    func programNames(of digest: String) -> [String] {
        state.withLock { state in
            state.programs.values.filter { $0.row.digest == digest }.map(\.row.name)
        }.sorted()
    }

    private static func checkELF(_ object: UploadedObject) throws(Problem) {
        let head: [UInt8]
        do { head = try object.file.descriptor.read(at: 0, atMost: 4) } catch {
            throw Problem(error, while: "read the body")
        }
        guard head == [0x7F, 0x45, 0x4C, 0x46] else {
            throw Problem(
                .objectRefused, "The body is no ELF file: it does not begin with 7f 45 4c 46.")
        }
    }
}
