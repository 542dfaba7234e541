public import JSON
public import Linux

/// What the loader is asked to do with an object.
public struct LoadRequest: Sendable, Hashable {
    public enum VerifierLog: String, Sendable { case none, brief, full }
    /// An existing directory in a bpffs, made for this load; pins go there: `p0`, `p1`, … for
    /// functions and `m0`, `m1`, … for maps, in the report's order. `nil`: load, verify, throw away.
    public var pinDirectory: String?
    /// By name, each encoded by the variable's BTF type, before the load.
    public var globals = JSONObject()
    /// Only these functions are loaded; `nil`: all.
    public var onlyFunctions: [String]?
    /// function -> attach target (fentry, fexit, fmod_ret, lsm, tp_btf, iter).
    public var targets: [String: String] = [:]
    /// map -> max_entries.
    public var maxEntries: [String: UInt32] = [:]
    /// map -> path of a pinned map to use instead of a new one.
    public var reusedMaps: [String: String] = [:]
    public var verifierLog = VerifierLog.brief
    public init() {}
}

/// What the loader found and did. Kept in the registry as JSON: adoption needs it.
public struct LoadReport: Sendable, Hashable {
    public struct Function: Sendable, Hashable {
        public var name: String
        public var section: String
        /// libbpf's name of the type, `tracepoint`, `kprobe`, `tracing`, `xdp`.
        public var type: String
        public var expectedAttachType: UInt32
        /// The BTF target that the load fixed (tp_btf, fentry, …), else nil.
        public var target: String?
        public var isSleepable: Bool
        /// Instructions in the object.
        public var instructions: Int
        /// File name in the pin directory; nil for a dry run.
        public var pin: String?
        public var verifierLog: String?
    }
    public struct Map: Sendable, Hashable {
        /// As the object says: `counts`, `.rodata`.
        public var name: String
        public var type: UInt32
        public var pin: String?
        public var isInternal: Bool
    }
    public struct Global: Sendable, Hashable {
        public var name: String
        public var section: String
        public var type: String
        public var offset: Int
        public var size: Int
    }
    public struct EventType: Sendable, Hashable {
        public enum Source: String, Sendable { case declared, anchor }
        public var map: String
        public var type: String
        public var source: Source
    }
    public var license: String
    public var functions: [Function]
    public var maps: [Map]
    public var globals: [Global]
    /// Record types of ring buffers and perf event arrays, as the object declares them.
    public var eventTypes: [EventType]
    public var libbpfVersion: String

    public var json: JSONValue { preconditionFailure("unwritten") }
    /// `nil` where the document is not a report.
    public init?(json: JSONValue) { preconditionFailure("unwritten") }
}

/// Why an object was not loaded. Everything here is for the client.
public struct LoadFailure: Error, Sendable, Hashable {
    public enum Stage: String, Sendable {
        case elf, btf, relocation, map, global, verifier, permission, pin, request
        case crash, deadline
    }
    public var stage: Stage
    /// A sentence: what was refused and why.
    public var message: String
    public var errno: Errno?
    public var function: String?
    public var verifierLog: String?
    public var libbpfLog: String?
    /// JSON pointer into the request's options, for `request` and `global`.
    public var pointer: String?
}

/// Bounds on the loader child.
public struct LoaderLimits: Sendable, Hashable {
    public var addressSpaceBytes = 2 << 30
    public var cpuSeconds = 30
    public var deadlineMilliseconds = 60_000
    public var reportBytes = 64 << 20
    public init() {}
}

/// Starts `apiary-loader` for one object at a time; any number at once from any threads. Blocks.
public struct Loader: Sendable {
    public let executable: String
    public var limits: LoaderLimits
    /// - Parameter executable: path of apiary-loader, beside the daemon's own by default.
    public init(executable: String, limits: LoaderLimits = LoaderLimits()) {
        self.executable = executable
        self.limits = limits
    }

    public func load(_ object: MemoryFile, _ request: LoadRequest) throws(LoadFailure) -> LoadReport
    { preconditionFailure("unwritten") }

    /// File offsets of function symbols in an ELF executable or library, for uprobes.
    /// - Parameter path: as this process sees it (`/proc/PID/root/…` for a container).
    public func offsets(of symbols: [String], in path: String) throws(LoadFailure) -> [UInt64]
    { preconditionFailure("unwritten") }
}
