public import Linux
public import Problems
public import Registry

/// An object file as it was uploaded.
public struct UploadedObject: Sendable {
    public let file: MemoryFile
    public let size: Int
    /// `sha256:` and 64 hex digits.
    public let digest: String

    public init(file: MemoryFile, size: Int, digest: String) {
        self.file = file
        self.size = size
        self.digest = digest
    }
}

extension Node {
    /// A kept object's bytes.
    /// - Throws: `not_found`.
    public func object(_ digest: String) throws(Problem) -> UploadedObject {
        let row = try objectRow(digest)
        do {
            let file = try MemoryFile("object")
            let bytes = try FileSystem.read(path(of: digest), limit: row.sizeBytes)
            try file.append(bytes.span)
            try file.seal()
            return UploadedObject(file: file, size: row.sizeBytes, digest: digest)
        } catch {
            throw Problem(error, while: "read the kept object \(digest)")
        }
    }

    /// What is known of a kept object.
    /// - Throws: `not_found`.
    public func objectRow(_ digest: String) throws(Problem) -> ObjectRow {
        let row: ObjectRow?
        do { row = try registry.object(digest) } catch {
            throw Problem(error, while: "look up the object")
        }
        guard let row else {
            throw Problem(.notFound, "No object with digest \(digest) is kept here.")
        }
        return row
    }

    /// A page of the kept objects, by digest.
    public func objects(after: String, limit: Int) throws(Problem) -> [ObjectRow] {
        do { return try registry.objects(after: after, limit: limit) } catch {
            throw Problem(error, while: "list the objects")
        }
    }

    /// Keeps the bytes on the disk. The row comes with the program's, so that no row is without its
    /// file.
    ///
    /// One at a time for each digest: programs of several names may come with one object, and the
    /// file takes its place from a name made of its digest. A digest is no program's name: it has a
    /// colon.
    func keep(_ object: UploadedObject) throws(Problem) {
        try locks.withLock([object.digest]) { () throws(Problem) in try keepLocked(object) }
    }

    /// The caller has the lock of the digest.
    func keepLocked(_ object: UploadedObject) throws(Problem) {
        if FileSystem.kind(path(of: object.digest)) != .file { try admitObject(object.digest) }
        do {
            let path = path(of: object.digest)
            if FileSystem.kind(path) != .file {
                let bytes = try object.file.contents()
                try FileSystem.replace(path, with: bytes.span)
                fault(.afterKeep)
            }
        } catch {
            throw Problem(
                error, while: "keep the object in \(configuration.stateDirectory)/objects")
        }
    }

    func path(of digest: String) -> String {
        // `sha256:` is checked where digests come in; only its 64 hex digits become a file name.
        configuration.stateDirectory + "/objects/" + digest.dropFirst("sha256:".utf8.count)
    }
}
