public import JSON
public import Linux

/// Why an object was not loaded. Everything here is for the client.
public struct LoadFailure: Error, Sendable, Hashable {
    /// Where it ended.
    public enum Stage: String, Sendable {
        /// The bytes are no BPF object that libbpf can open.
        case elf
        /// The object's or the kernel's type information.
        case btf
        /// CO-RE, a missing kernel type or target, an extern that nothing resolves.
        case relocation
        /// A map that the kernel did not create.
        case map
        /// A value for a global variable.
        case global
        /// The kernel's verifier.
        case verifier
        /// A missing capability, lockdown, or a kernel that forbids this kind.
        case permission
        /// More maps, or memory for them, than is left.
        case quota
        /// The bpffs.
        case pin
        /// An option that names what the object lacks.
        case request
        /// The loader died of the object, or did not start.
        case crash
        /// The loader took longer than its limits allow.
        case deadline
    }

    public var stage: Stage
    /// A sentence: what was refused and why.
    public var message: String
    public var errno: Errno?
    public var function: String?
    /// The end of the log of `function`, where the verifier wrote one.
    public var verifierLog: String?
    /// The end of what libbpf printed, at most 16 KiB.
    public var libbpfLog: String?
    /// JSON pointer into the request's options (`LoadRequest.json`), for `request` and `global`.
    public var pointer: String?

    public init(
        _ stage: Stage, _ message: String, errno: Errno? = nil, function: String? = nil,
        verifierLog: String? = nil, libbpfLog: String? = nil, pointer: String? = nil
    ) {
        self.stage = stage
        self.message = message
        self.errno = errno
        self.function = function
        self.verifierLog = verifierLog
        self.libbpfLog = libbpfLog
        self.pointer = pointer
    }
}

extension LoadFailure {
    public var json: JSONValue {
        var object = JSONObject()
        object["stage"] = .string(stage.rawValue)
        object["message"] = .string(message)
        object["errno"] = errno.map { JSONValue($0.rawValue) }
        object["function"] = function.map { .string($0) }
        object["verifier_log"] = verifierLog.map { .string($0) }
        object["libbpf_log"] = libbpfLog.map { .string($0) }
        object["pointer"] = pointer.map { .string($0) }
        return .object(object)
    }

    /// `nil` where the document is not a failure.
    public init?(json: JSONValue) {
        guard let stage = json["stage"]?.string.flatMap(Stage.init),
            let message = json["message"]?.string
        else { return nil }
        let number = json["errno"]?.int.flatMap(Int32.init(exactly:))
        self.init(
            stage, message, errno: number.map { Errno(rawValue: $0) },
            function: json["function"]?.string, verifierLog: json["verifier_log"]?.string,
            libbpfLog: json["libbpf_log"]?.string, pointer: json["pointer"]?.string)
    }
}
