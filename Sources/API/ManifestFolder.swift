public import ControlPlane
internal import Cryptography
public import Linux
public import Logging
internal import Problems
internal import Synchronization

/// A folder whose manifests are applied as they change: at the start of the daemon, and whenever a
/// file comes, is written or touched, or goes. One thread, which sleeps meanwhile.
///
/// Each `.json`, `.yaml` and `.yml` file is one manifest; its owner is the file's name without the
/// ending, unless the file names one. Where a file goes whose manifest said `prune`, what it
/// declared goes too. Only files that root or the daemon's own user owns, and nobody else may write
/// to, are read.
public final class ManifestFolder: Sendable {
    /// One file, as it was last looked at.
    struct File: Sendable {
        enum State: String, Sendable, CaseIterable { case applied, failed, removed }
        var name: String
        var state: State
        var owner: String?
        var prunes = false
        /// The file's bytes and when they were written; nil where it could not be read.
        var contents: Contents?
        var lookedAtNanoseconds: UInt64
        var problem: Problem?
        /// What the last apply did.
        var outcome: ApplyOutcome?

        struct Contents: Sendable, Hashable {
            var digest: String?
            var modifiedNanoseconds: UInt64
        }

        /// When it is tried again, by the monotonic clock, though nobody has touched it; nil: it is
        /// not.
        var retryAtNanoseconds: UInt64?
        /// How long that is after the last time.
        var pauseNanoseconds: UInt64 = 0

        /// Waits for what others may change meanwhile: room on the disk, an interface that is not
        /// there yet. Each time twice as long, for each leaves a row in the audit log.
        mutating func tryLater(after known: File?, _ problem: Problem) {
            let others: [ProblemType] = [.targetNotFound, .attachBusy, .conflict, .notFound]
            guard problem.type.retryable || others.contains(problem.type) else { return }
            let isSame = known?.state == .failed && known?.contents == contents
            let before = isSame ? known?.pauseNanoseconds ?? 0 : 0
            pauseNanoseconds = min(max(before * 2, 5_000_000_000), 640_000_000_000)
            retryAtNanoseconds = Clock.monotonicNanoseconds() + pauseNanoseconds
        }

        var isDue: Bool { retryAtNanoseconds.map { $0 <= Clock.monotonicNanoseconds() } ?? false }
    }

    let directory: String
    private let reader: ManifestDocument
    private let log: Logger
    private let ownUserID: UInt32
    private let files = Mutex<[String: File]>([:])
    private let wakeup: Wakeup
    private let isStopped = Mutex(false)
    private let thread = Mutex<NamedThread?>(nil)
    let stint = Stint()

    /// The most bytes of one file.
    private static let limit = 48 << 20
    /// Editors and copies make several changes: one look after the last.
    private static let quietMilliseconds: Int32 = 150
    /// Between two looks at a folder that is not there.
    private static let goneMilliseconds: Int32 = 10_000

    /// - Parameter objectsDirectory: where `object.path` points into.
    public init(
        _ directory: String, node: Node, objectsDirectory: String?, ownUserID: UInt32, log: Logger
    ) throws(Errno) {
        self.directory = directory
        reader = ManifestDocument(node: node, objectsDirectory: objectsDirectory)
        self.ownUserID = ownUserID
        self.log = log
        wakeup = try Wakeup()
    }

    /// Looks at the folder now and from now on. After `reconcile()`.
    /// - Throws: `ENOENT`, `ENOTDIR` of the folder.
    public func start() throws(Errno) {
        let watch = try DirectoryWatch()
        try watch.add(directory, withContents: true)
        let poller = try Poller()
        try poller.add(watch.raw, tag: 1)
        try poller.add(wakeup.raw, tag: 2)
        let started = try NamedThread("manifests") { [self] in
            while !isStopped.withLock({ $0 }) {
                wait(poller, watch, stint.run(look))
                // Another folder may have the path by now; one that is away is looked for again.
                try? watch.add(directory, withContents: true)
            }
        }
        thread.withLock { $0 = started }
    }

    public func stop() {
        isStopped.withLock { $0 = true }
        wakeup.signal()
        thread.withLock { thread in
            defer { thread = nil }
            return thread
        }?.join()
    }

    /// By name.
    var all: [File] { files.withLock { $0.values.sorted { $0.name < $1.name } } }

    private func wait(_ poller: Poller, _ watch: DirectoryWatch, _ longest: Int32) {
        var timeout = longest
        while !isStopped.withLock({ $0 }) {
            let tags: [UInt64]
            // A poller that does not wait would spin: a second is soon enough.
            do { tags = try poller.wait(timeoutMilliseconds: timeout) } catch {
                Clock.sleep(nanoseconds: 1_000_000_000)
                return
            }
            if tags.isEmpty && timeout >= 0 { return }
            watch.clear()
            timeout = Self.quietMilliseconds
        }
    }

    // MARK: Looking

    /// - Returns: after how many milliseconds another look is wanted though nothing changes; -1:
    ///   never.
    private func look() -> Int32 {
        let names: [String]
        do { names = try FileSystem.list(directory) } catch {
            log.error(
                "the folder of manifests cannot be read",
                metadata: ["directory": "\(directory)", "errno": "\(error)"])
            return Self.goneMilliseconds
        }
        let present = names.filter { name in
            !name.hasPrefix(".")
                && [".json", ".yaml", ".yml"].contains { name.hasSuffix($0) }
        }
        // What goes makes room for what comes.
        for file in all where file.state != .removed && !present.contains(file.name) {
            remove(file)
        }
        for name in present where !isStopped.withLock({ $0 }) { look(at: name) }
        guard let next = all.compactMap(\.retryAtNanoseconds).min() else { return -1 }
        return Int32(clamping: Clock.nanosecondsLeft(until: next) / 1_000_000 + 1)
    }

    private func look(at name: String) {
        let now = Clock.realtimeNanoseconds()
        let known = files.withLock { $0[name] }
        var file = File(name: name, state: .failed, lookedAtNanoseconds: now)
        do throws(Problem) {
            let (bytes, contents) = try read(name)
            file.contents = contents
            if let known, known.state != .removed, known.contents == contents,
                !known.isDue
            {
                return
            }
            let manifest = try self.manifest(name, bytes)
            file.owner = manifest.owner
            file.prunes = manifest.prunes
            try checkOwner(manifest.owner, name)
            if let known, known.outcome != nil, known.owner != manifest.owner, known.prunes {
                _ = try apply(nothing(of: known), name)
            }
            let outcome = try apply(manifest, name)
            file.state = .applied
            file.outcome = outcome
            log.notice(
                "applied a manifest",
                metadata: [
                    "file": "\(name)", "owner": "\(manifest.owner)",
                    "changed": "\(outcome.changed)",
                ])
        } catch {
            // The same failure again is no news.
            let isNews =
                known?.state != .failed || known?.contents != file.contents
                || known?.problem?.detail != error.detail
            file.problem = error
            file.tryLater(after: known, error)
            // What was applied before is still there, and goes with the file.
            if let known, known.outcome != nil {
                file.owner = known.owner
                file.prunes = known.prunes
                file.outcome = known.outcome
            }
            log.log(
                level: isNews ? .error : .debug, "a manifest is not applied",
                metadata: ["file": "\(name)", "why": "\(error.detail)"])
        }
        let seen = file
        files.withLock { $0[name] = seen }
    }

    private func remove(_ gone: File) {
        var file = gone
        file.state = .removed
        file.problem = nil
        file.retryAtNanoseconds = nil
        file.lookedAtNanoseconds = Clock.realtimeNanoseconds()
        if gone.prunes, gone.outcome != nil {
            do throws(Problem) { file.outcome = try apply(nothing(of: gone), gone.name) } catch {
                file.problem = error
            }
        }
        log.notice(
            "a manifest is gone",
            metadata: ["file": "\(gone.name)", "pruned": "\(gone.prunes && file.problem == nil)"])
        let seen = file
        files.withLock { $0[gone.name] = seen }
    }

    private func nothing(of file: File) -> Manifest {
        Manifest(owner: file.owner ?? "", programs: [], probes: [], maps: [], prunes: true)
    }

    private func apply(_ manifest: Manifest, _ name: String) throws(Problem) -> ApplyOutcome {
        try reader.node.apply(
            manifest, isDryRun: false,
            ChangeOrigin(
                requestID: "-", actor: "file:\(directory)/\(name)", action: "apply_manifest"))
    }

    private func checkOwner(_ owner: String, _ name: String) throws(Problem) {
        let other = all.first {
            $0.owner == owner && $0.name != name && $0.state != .removed
        }
        guard let other else { return }
        throw Problem(
            .conflict,
            "The owner \(owner) has another file already, \(other.name): an owner has one manifest."
        )
    }

    private func manifest(_ name: String, _ bytes: [UInt8]) throws(Problem) -> Manifest {
        let document =
            name.hasSuffix(".json")
            ? try Call.manifest(json: bytes) : try Call.manifest(yaml: bytes)
        let base = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
        return try reader.manifest(document, owner: base)
    }

    private func read(_ name: String) throws(Problem) -> ([UInt8], File.Contents) {
        let path = directory + "/" + name
        do throws(Errno) {
            let file = try FileDescriptor.open(path, [.read, .noFollow, .nonBlocking])
            let status = try file.status()
            guard status.isRegular else { throw .einval }
            guard [0, ownUserID].contains(status.userID), !status.isWritableByOthers else {
                throw .eperm
            }
            let bytes = try file.readAll(limit: Self.limit)
            let contents = File.Contents(
                digest: SHA256.hexDigest(of: bytes.span),
                modifiedNanoseconds: status.modifiedNanoseconds)
            return (bytes, contents)
        } catch {
            let why =
                switch error {
                case .eperm:
                    "others than root and the daemon's user may change it: chown root, chmod go-w"
                case .einval, .eloop: "it is no regular file"
                case .efbig: "it has more than \(Self.limit) bytes"
                default: "\(error)"
                }
            throw Problem(
                .invalidMember, "\(path) is not read: \(why).", errno: error.name, cause: error)
        }
    }
}
