public import JSON
public import Linux

/// Why an object was not loaded. Everything here is for the client.
public struct LoadFailure: Error, Sendable, Hashable {
    /// Where it ended.
    public enum Stage: String, Sendable, CaseIterable {
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

    /// The instruction at which the verifier stopped.
    public struct Instruction: Sendable, Hashable {
        /// In the function with the subprograms that it calls, as the verifier counts.
        public var index: Int
        /// As the verifier writes it: `(79) r1 = *(u64 *)(r0 +0)`; nil where the log lacks it.
        public var text: String?

        public init(index: Int, text: String?) {
            self.index = index
            self.text = text
        }
    }

    /// The line of C that an instruction came from, as the object's BTF says.
    public struct SourceLine: Sendable, Hashable {
        public var text: String
        /// nil where neither the kernel (before 6.9) nor the object's BTF tells.
        public var file: String?
        public var line: Int?

        public init(text: String, file: String?, line: Int?) {
            self.text = text
            self.file = file
            self.line = line
        }
    }

    public var stage: Stage
    /// A sentence: what was refused and why.
    public var message: String
    public var errno: Errno?
    public var function: String?
    /// The map that was not created.
    public var map: String?
    public var instruction: Instruction?
    public var source: SourceLine?
    /// What the verifier said last, in its own words.
    public var reason: String?
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
        object["map"] = map.map { .string($0) }
        object["reason"] = reason.map { .string($0) }
        if let instruction {
            object["instruction"] = [
                "index": JSONValue(instruction.index), "text": JSONValue(instruction.text),
            ]
        }
        if let source {
            object["source"] = [
                "text": .string(source.text), "file": JSONValue(source.file),
                "line": source.line.map { JSONValue($0) } ?? .null,
            ]
        }
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
        map = json["map"]?.string
        reason = json["reason"]?.string
        if let at = json["instruction"], let index = at["index"]?.int {
            instruction = Instruction(index: index, text: at["text"]?.string)
        }
        if let at = json["source"], let text = at["text"]?.string {
            source = SourceLine(text: text, file: at["file"]?.string, line: at["line"]?.int)
        }
    }
}
