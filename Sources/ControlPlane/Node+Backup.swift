public import Linux
public import Problems
internal import Registry

/// What a backup has: a copy of the registry as it was at one moment, and the objects that it
/// names, whose files stay until this dies.
public final class Backup: Sendable {
    public struct Object: Sendable, Hashable {
        public let digest: String
        public let sizeBytes: Int
    }

    /// The copy: a file without a name, at its start.
    public let registry: FileDescriptor
    public let registrySizeBytes: Int
    /// By digest.
    public let objects: [Object]
    public let revision: Int64
    public let bootID: String
    public let createdAtNanoseconds: UInt64
    private let node: Node

    init(
        registry: consuming FileDescriptor, registrySizeBytes: Int, objects: [Object],
        revision: Int64, node: Node
    ) {
        self.registry = registry
        self.registrySizeBytes = registrySizeBytes
        self.objects = objects
        self.revision = revision
        self.node = node
        bootID = node.bootID
        createdAtNanoseconds = Clock.realtimeNanoseconds()
    }

    /// Opens an object's file.
    public func open(_ object: Object) throws(Errno) -> FileDescriptor {
        try FileDescriptor.open(node.path(of: object.digest), [.read, .noFollow])
    }

    deinit {
        for object in objects { node.objectHolds.give(object.digest) }
    }
}

extension Node {
    /// Copies the registry, while it runs, and holds the objects that the copy names.
    ///
    /// Changes wait for the copy, some milliseconds; nothing waits for it to be sent.
    /// - Throws: `no_space` where the state directory has no room for the copy; `conflict` where an
    ///   object is not there any more, which a backup would have to leave out.
    public func backup() throws(Problem) -> Backup {
        let path = configuration.stateDirectory + "/backup-\(Names.makeLoadID()).tmp"
        let holds = objectHolds
        let copied: (objects: [ObjectRow], revision: Int64)
        do {
            copied = try registry.copy(to: path) { rows in
                for row in rows { holds.take(row.digest) }
            }
        } catch {
            // What is left of the copy is of no use to anybody.
            try? FileSystem.unlink(path)
            throw Problem(error, while: "copy the registry")
        }
        do throws(Problem) { try checkObjects(copied.objects) } catch {
            for row in copied.objects { holds.give(row.digest) }
            try? FileSystem.unlink(path)
            throw error
        }
        do {
            // Without its name the copy goes with its last descriptor, however this daemon ends.
            let file = try FileDescriptor.open(path)
            try FileSystem.unlink(path)
            let size = try file.size()
            return Backup(
                registry: file, registrySizeBytes: size,
                objects: copied.objects.map {
                    Backup.Object(digest: $0.digest, sizeBytes: $0.sizeBytes)
                }, revision: copied.revision, node: self)
        } catch {
            for row in copied.objects { holds.give(row.digest) }
            throw Problem(error, while: "open the copy of the registry")
        }
    }

    private func checkObjects(_ rows: [ObjectRow]) throws(Problem) {
        for row in rows {
            var sizeBytes: Int?
            do throws(Errno) {
                let file = try FileDescriptor.open(path(of: row.digest), [.read, .noFollow])
                sizeBytes = try file.size()
            } catch {
                // What cannot be opened is as good as gone, but where nothing can be.
                guard !error.isShortage else {
                    throw Problem(error, while: "open the object \(row.digest)")
                }
            }
            guard sizeBytes != row.sizeBytes else { continue }
            let users = programNames(of: row.digest)
            throw Problem(
                .conflict,
                "The object \(row.digest) is registered with \(row.sizeBytes) bytes and has "
                    + "\(sizeBytes ?? 0) on the disk, so a backup would not be whole: upload it "
                    + "again (PUT /v1/objects/\(row.digest)), or delete "
                    + (users.isEmpty ? "it." : users.joined(separator: ", ") + " and it."))
        }
    }
}
