/// What a registration should be, as the registry says. What it is, the kernel says.
public enum RowState: String, Sendable, Hashable { case active, deleting, failed }

/// What a probe does when its target is gone: it stays `failed`, or comes back with the target.
public enum WhenGone: String, Sendable, Hashable, CaseIterable { case fail, wait }

/// A program as registered. The documents are JSON texts that the registry does not look into.
public struct ProgramRow: Sendable, Hashable {
    public var name: String
    /// `sha256:` and 64 hex digits.
    public var digest: String
    public var sizeBytes: Int
    /// The load options, complete and in one order, so that equal options are equal texts.
    public var options: String
    public var labels: [String: String]
    public var state: RowState
    /// The directory below our bpffs that holds this load's pins; never used twice.
    public var loadID: String
    /// The boot in which the pins were made; in another boot there are none.
    public var bootID: String
    /// What the loader reported.
    public var report: String
    /// Why it is `failed`.
    public var problem: String?
    public var loadedAtNanoseconds: UInt64
    /// What the kernel calls the load's functions and maps in `bootID`'s boot; empty: not known.
    public var kernelIDs = ""
    public var revision: Int64

    public init(
        name: String, digest: String, sizeBytes: Int, options: String, labels: [String: String],
        state: RowState, loadID: String, bootID: String, report: String, problem: String? = nil,
        loadedAtNanoseconds: UInt64, revision: Int64 = 0
    ) {
        self.name = name
        self.digest = digest
        self.sizeBytes = sizeBytes
        self.options = options
        self.labels = labels
        self.state = state
        self.loadID = loadID
        self.bootID = bootID
        self.report = report
        self.problem = problem
        self.loadedAtNanoseconds = loadedAtNanoseconds
        self.revision = revision
    }
}

/// A probe as registered.
public struct ProbeRow: Sendable, Hashable {
    public var id: String
    public var program: String
    public var function: String
    /// The `attach` document, complete: nothing in it comes from a section name any more.
    public var attach: String
    public var enabled: Bool
    public var labels: [String: String]
    public var state: RowState
    /// The name of the link's pin below our bpffs; never used twice.
    public var pin: String
    public var bootID: String
    public var problem: String?
    public var createdAtNanoseconds: UInt64
    /// The kernel's ids of its links in `bootID`'s boot; empty: it has none, or not known.
    public var linkIDs: [UInt32] = []
    /// Which file a uprobe is in, by what tells it from another with its path; empty: in none.
    public var target = ""
    /// What is to become of it when its target is gone.
    public var whenGone = WhenGone.fail
    public var revision: Int64

    public init(
        id: String, program: String, function: String, attach: String, enabled: Bool,
        labels: [String: String], state: RowState, pin: String, bootID: String,
        problem: String? = nil, createdAtNanoseconds: UInt64, revision: Int64 = 0
    ) {
        self.id = id
        self.program = program
        self.function = function
        self.attach = attach
        self.enabled = enabled
        self.labels = labels
        self.state = state
        self.pin = pin
        self.bootID = bootID
        self.problem = problem
        self.createdAtNanoseconds = createdAtNanoseconds
        self.revision = revision
    }
}

/// An object file that is kept.
public struct ObjectRow: Sendable, Hashable {
    public var digest: String
    public var sizeBytes: Int
    public var createdAtNanoseconds: UInt64

    public init(digest: String, sizeBytes: Int, createdAtNanoseconds: UInt64) {
        self.digest = digest
        self.sizeBytes = sizeBytes
        self.createdAtNanoseconds = createdAtNanoseconds
    }
}

/// Something below our bpffs that a change is about to make or to remove.
public struct IntentRow: Sendable, Hashable {
    public enum Kind: String, Sendable { case load, link }
    public var name: String
    public var kind: Kind
    /// The program or probe that the change is about.
    public var subject: String
    public var bootID: String
    public var startedAtNanoseconds: UInt64

    public init(
        name: String, kind: Kind, subject: String, bootID: String, startedAtNanoseconds: UInt64
    ) {
        self.name = name
        self.kind = kind
        self.subject = subject
        self.bootID = bootID
        self.startedAtNanoseconds = startedAtNanoseconds
    }
}

/// The contents of a persistent map, in a file of their own.
public struct SnapshotRow: Sendable, Hashable {
    public var program: String
    public var map: String
    /// In the directory of the snapshots.
    public var file: String
    public var entries: Int
    public var takenAtNanoseconds: UInt64

    public init(
        program: String, map: String, file: String, entries: Int, takenAtNanoseconds: UInt64
    ) {
        self.program = program
        self.map = map
        self.file = file
        self.entries = entries
        self.takenAtNanoseconds = takenAtNanoseconds
    }
}

/// A variable that was changed while its program was loaded.
public struct VariableRow: Sendable, Hashable {
    public var name: String
    /// JSON text.
    public var value: String
    /// It may not be in the kernel yet.
    public var isPending: Bool

    public init(name: String, value: String, isPending: Bool) {
        self.name = name
        self.value = value
        self.isPending = isPending
    }
}

/// All that is registered, as it was at one moment.
public struct RegistryPicture: Sendable {
    public var revision: Int64
    public var programs: [ProgramRow]
    public var probes: [ProbeRow]
    public var objects: [ObjectRow]
    public var intents: [IntentRow]
}

/// Who asks for a change, and what it is called in the audit log.
public struct ChangeOrigin: Sendable, Hashable {
    public var requestID: String
    /// `unix:uid=0,pid=12`, `token:ci`, `certificate:ci.example`, `tcp:127.0.0.1`, or `apiary` for
    /// the daemon itself.
    public var actor: String
    /// The operation's id, `put_program`.
    public var action: String
    /// Where from: `unix:uid=0,gid=0,pid=12`, `tcp:127.0.0.1`, `tls:10.0.0.7`; empty for the daemon
    /// itself.
    public var peer: String
    /// The object that it is about, `sha256:…`.
    public var digest: String?

    public init(
        requestID: String, actor: String, action: String, peer: String = "", digest: String? = nil
    ) {
        self.requestID = requestID
        self.actor = actor
        self.action = action
        self.peer = peer
        self.digest = digest
    }
}

/// One change or refused attempt.
public struct AuditRow: Sendable, Hashable {
    public var sequence: Int64
    public var timeNanoseconds: UInt64
    public var requestID: String
    public var actor: String
    public var action: String
    /// `programs/x`, `probes/x.f`.
    public var subject: String
    /// `ok`, or the code of the problem.
    public var outcome: String
    /// The revision that the change made.
    public var revision: Int64?
    public var peer: String
    public var digest: String?
    /// The row's link in the chain, in hex; empty in rows older than the chain.
    public var hash = ""
}

/// Which audit rows are wanted: nil does not ask.
public struct AuditFilter: Sendable, Hashable {
    public var actor: String?
    public var action: String?
    public var subject: String?
    public var outcome: String?

    public init(
        actor: String? = nil, action: String? = nil, subject: String? = nil,
        outcome: String? = nil
    ) {
        self.actor = actor
        self.action = action
        self.subject = subject
        self.outcome = outcome
    }
}

/// A mechanism's error: SQLite refused.
public struct RegistryError: Error, Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case full, io, corrupt, newer, older, readOnly, busy, other
        /// No memory, or no descriptor, for what SQLite has to open.
        case exhausted
    }
    public let kind: Kind
    public let reason: String
}
