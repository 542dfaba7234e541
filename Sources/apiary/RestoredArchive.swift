internal import JSON
internal import Linux
internal import Registry
internal import Tar

/// Why a backup is not restored, in a sentence.
struct RestoreError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// A backup that was unpacked, checked and put in its place.
struct RestoredArchive {
    private(set) var programs = 0
    private(set) var probes = 0
    private(set) var objects = 0
    private(set) var createdAt = ""
    /// Where what was there before is now.
    private(set) var aside: String?

    /// What may stand in a state directory that counts as empty.
    private static let ignored: Set<String> = ["lock", "restore.tmp", "lost+found"]

    /// - Throws: `RestoreError`, with the directory as it was.
    init(_ path: String, into directory: String, isForced: Bool) throws {
        let present = try FileSystem.list(directory).filter { name in
            if Self.ignored.contains(name) { return false }
            let isEmptyDirectory =
                FileSystem.kind(directory + "/" + name) == .directory
                && (try? FileSystem.list(directory + "/" + name))?.isEmpty == true
            return !isEmptyDirectory && !name.hasPrefix("before-restore-")
        }
        guard present.isEmpty || isForced else {
            throw RestoreError(
                "\(directory) is not empty (\(present.prefix(4).joined(separator: ", "))): give "
                    + "another --state-dir, or --force to move that aside.")
        }
        let scratch = directory + "/restore.tmp"
        try FileSystem.removeTree(scratch)
        do {
            try FileSystem.makeDirectories(scratch + "/objects", mode: 0o700)
            try unpack(path, into: scratch)
            try check(scratch)
            try putInPlace(scratch, directory, present)
        } catch {
            // What failed is the news.
            try? FileSystem.removeTree(scratch)
            throw Self.refusal(error, path)
        }
    }

    private static func refusal(_ error: any Error, _ path: String) -> any Error {
        switch error {
        case let error as TarError: RestoreError("\(path) is no backup: \(error.reason).")
        case let error as RegistryError:
            RestoreError("The registry in \(path) cannot be used: \(error.reason).")
        case let error as Errno: RestoreError("\(path) cannot be restored: \(error).")
        default: error
        }
    }

    // MARK: Unpacking

    private mutating func unpack(_ path: String, into scratch: String) throws {
        var reader = ArchiveReader(
            try FileDescriptor.open(path == "-" ? "/dev/stdin" : path))
        let first = try reader.next()
        guard let first, first.name == "backup.json", first.sizeBytes <= 64 << 20 else {
            throw TarError(reason: "it does not begin with backup.json")
        }
        let contents = try BackupContents(try reader.contents(of: first))
        createdAt = contents.createdAt
        objects = contents.objects.count
        var missing = contents.objects
        var hasRegistry = false
        while let header = try reader.next() {
            if header.name == "registry.sqlite", !hasRegistry {
                hasRegistry = true
                guard header.sizeBytes == contents.registrySizeBytes else {
                    throw TarError(reason: "registry.sqlite has not the size that backup.json says")
                }
                let digest = try reader.extract(header, to: scratch + "/registry.sqlite")
                guard digest == contents.registryDigest else {
                    throw TarError(
                        reason: "registry.sqlite has the SHA-256 \(digest), backup.json says "
                            + contents.registryDigest)
                }
                continue
            }
            let hex = String(header.name.dropFirst("objects/".utf8.count))
            guard header.name.hasPrefix("objects/"),
                missing.removeValue(forKey: hex) == header.sizeBytes
            else { throw TarError(reason: "backup.json does not list \(header.name) so") }
            let digest = try reader.extract(header, to: scratch + "/objects/" + hex)
            guard digest == hex else {
                throw TarError(reason: "the object \(hex) has the SHA-256 \(digest)")
            }
        }
        guard hasRegistry, missing.isEmpty else {
            throw TarError(
                reason: hasRegistry
                    ? "\(missing.count) objects are missing: it is cut off"
                    : "it has no registry.sqlite")
        }
    }

    /// The registry opens, is sound and of a release that is known, and names no object that is not
    /// there.
    private mutating func check(_ scratch: String) throws {
        let registry = try RegistryStore(path: scratch + "/registry.sqlite")
        let faults = try registry.quickCheck()
        guard faults.isEmpty else {
            throw RestoreError("The registry is damaged: \(faults.joined(separator: "; ")).")
        }
        let rows = try registry.programs()
        for row in rows where !FileSystem.exists(scratch + "/objects/" + row.digest.dropFirst(7)) {
            throw RestoreError("The object of program \(row.name), \(row.digest), is missing.")
        }
        programs = rows.count
        probes = try registry.probes().count
    }

    // MARK: Putting it there

    private mutating func putInPlace(
        _ scratch: String, _ directory: String, _ present: [String]
    ) throws {
        if !present.isEmpty {
            let aside = directory + "/before-restore-\(Clock.realtimeNanoseconds())"
            try FileSystem.makeDirectory(aside)
            for name in present {
                try FileSystem.rename(directory + "/" + name, to: aside + "/" + name)
            }
            self.aside = aside
        }
        // The registry last: without it nothing is there.
        try FileSystem.removeTree(directory + "/objects")
        try FileSystem.rename(scratch + "/objects", to: directory + "/objects")
        for name in try FileSystem.list(scratch).sorted(by: >) {
            try FileSystem.rename(scratch + "/" + name, to: directory + "/" + name)
        }
        try FileSystem.removeDirectory(scratch)
        try FileSystem.synchronizeDirectory(directory + "/objects")
        try FileSystem.synchronizeDirectory(directory)
    }
}

/// What `backup.json` says of the archive that it begins.
private struct BackupContents {
    let createdAt: String
    let registrySizeBytes: Int
    let registryDigest: String
    /// Hex digits of the digest -> size.
    let objects: [String: Int]

    init(_ bytes: [UInt8]) throws {
        let document: JSONValue
        do { document = try JSONValue.parse(bytes.span) } catch {
            throw TarError(reason: "backup.json is not JSON: \(error.reason)")
        }
        guard document["format"]?.int == 1 else {
            throw TarError(reason: "it is of a format that this release does not know")
        }
        guard let size = document["registry"]?["size_bytes"]?.int,
            let digest = document["registry"]?["sha256"]?.string,
            let listed = document["objects"]?.array
        else { throw TarError(reason: "backup.json does not say what follows") }
        var objects: [String: Int] = [:]
        for object in listed {
            guard let digest = object["digest"]?.string, digest.hasPrefix("sha256:"),
                digest.utf8.count == 71,
                digest.utf8.dropFirst(7).allSatisfy({ "0123456789abcdef".utf8.contains($0) }),
                let size = object["size_bytes"]?.int
            else { throw TarError(reason: "backup.json lists an object without digest or size") }
            objects[String(digest.dropFirst(7))] = size
        }
        createdAt = document["created_at"]?.string ?? "an unknown time"
        registrySizeBytes = size
        registryDigest = digest
        self.objects = objects
    }
}
