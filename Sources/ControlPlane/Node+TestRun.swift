internal import BPF
internal import BTF
public import JSON
internal import Loading
public import Problems

/// One request to run a function on data of the client's.
public struct TestRunRequest: Sendable {
    public var data: [UInt8]?
    public var context: Context?
    public var repetitions: Int?
    public var flags: [String] = []
    public var cpu: UInt32?
    public var batchSize: UInt32?
    /// Everything is checked as far as it can be, and nothing runs.
    public var isDryRun = false

    public enum Context: Sendable {
        case bytes([UInt8])
        /// By the type's structure, or the arguments of a raw tracepoint.
        case value(JSONValue)
    }

    public init() {}
}

/// What came of it.
public struct TestRunOutcome: Sendable {
    /// nil where it was not run.
    public let returnValue: UInt32?
    /// The mean of all repetitions; nil where the kernel does not measure.
    public let durationNanoseconds: UInt32?
    /// nil where the type has no data.
    public let data: [UInt8]?
    /// The context as the program left it, by its type; nil where it has none.
    public let context: JSONValue?
    public let contextBytes: [UInt8]?
}

extension Node {
    /// Runs a loaded function in the kernel on data and a context of the client's. What the program
    /// does to maps stays done. Blocks as long as it runs.
    /// - Throws: `not_found`; `conflict` where it is not loaded; `wrong_kind` for a type that the
    ///   kernel cannot run so; `invalid_member`, `invalid_value` for what does not fit the type.
    public func testRun(_ program: String, _ function: String, _ request: TestRunRequest)
        throws(Problem) -> TestRunOutcome
    {
        let loaded = try heldFunction(program, function)
        let report = try self.program(program).report.functions.first { $0.name == function }
        let info: ProgramInfo
        do { info = try loaded.info() } catch {
            throw Problem(error, while: "tell about \(program).\(function)")
        }
        let type = ProgramType(rawValue: info.type)
        let attachType = report?.expectedAttachType ?? 0
        guard let kind = TestRunKind(type, expectedAttachType: attachType) else {
            throw Problem(
                .wrongKind,
                "\(program).\(function) is of type \(report?.type ?? info.typeName), which the "
                    + "kernel cannot test-run: it runs \(TestRunKind.names).")
        }
        try check(request, kind, type)
        var input = TestRunInput()
        input.data = request.data ?? []
        input.repetitions = kind.repeats ? Int32(request.repetitions ?? 1) : 0
        input.flags = request.flags.reduce(0) { $0 | (TestRunKind.flagBits[$1] ?? 0) }
        input.cpu = request.cpu ?? 0
        input.batchSize = request.batchSize ?? 0
        let plan = try contextPlan(kind, info, function)
        input.context = try contextBytes(request, kind, plan, dataBytes: input.data.count)
        input.wantsContext = kind.returnsContext && !input.context.isEmpty
        if request.isDryRun {
            return TestRunOutcome(
                returnValue: nil, durationNanoseconds: nil, data: nil, context: nil,
                contextBytes: nil)
        }
        let run: TestRun
        do { run = try loaded.testRun(input) } catch {
            throw refusal(error, "\(program).\(function)", input, kind)
        }
        return outcome(run, input, kind, plan)
    }

    private func outcome(
        _ run: TestRun, _ input: TestRunInput, _ kind: TestRunKind, _ plan: ValuePlan?
    ) -> TestRunOutcome {
        let hasContext = !input.context.isEmpty && (kind.returnsContext || kind.contextIsOwn)
        var shown: JSONValue?
        if hasContext, let plan, plan.size <= run.context.count {
            var json = JSONWriter(capacity: 1024, int64: .number)
            plan.render(run.context.span.extracting(0..<plan.size), into: &json)
            let text = json.bytes()
            // A plan writes JSON; where it should not, the bytes are there.
            do { shown = try JSONValue.parse(text.span) } catch { shown = nil }
        }
        return TestRunOutcome(
            returnValue: run.returnValue,
            durationNanoseconds: kind.repeats ? run.durationNanoseconds : nil,
            data: input.data.isEmpty ? nil : run.data, context: shown,
            contextBytes: hasContext ? run.context : nil)
    }

    private func check(_ request: TestRunRequest, _ kind: TestRunKind, _ type: ProgramType)
        throws(Problem)
    {
        func refuse(_ member: String, _ why: String) -> Problem {
            Problem(.invalidValue, why, pointer: "/" + member)
        }
        if kind.takesData {
            guard let count = request.data?.count, count >= kind.leastData else {
                throw refuse(
                    "data",
                    "A \(type.name) program is run on a packet: its data "
                        + "has \(request.data?.count ?? 0) bytes, \(kind.leastData) are needed.")
            }
        } else if request.data != nil {
            throw refuse("data", "A \(type.name) program takes no data.")
        }
        if request.repetitions != nil && !kind.repeats {
            throw refuse("repeat", "A \(type.name) program is run once.")
        }
        for (index, flag) in request.flags.enumerated() where !kind.flags.contains(flag) {
            throw refuse(
                "flags/\(index)",
                "A \(type.name) program does not take the flag \(flag)"
                    + (kind.flags.isEmpty
                        ? ": it takes none." : ": it takes \(kind.flags.joined(separator: ", "))."))
        }
        if request.cpu != nil && !request.flags.contains("run_on_cpu") {
            throw refuse("cpu", "cpu counts only with the flag run_on_cpu, of raw_tracepoint.")
        }
        if request.batchSize != nil && !request.flags.contains("xdp_live_frames") {
            throw refuse("batch_size", "batch_size counts only with the flag xdp_live_frames.")
        }
        let takesContext =
            kind.contextType != nil || kind.contextIsOwn || kind.contextIsArguments
        if request.context != nil && !takesContext {
            throw refuse("context", "A \(type.name) program takes no context.")
        }
        if request.context == nil && kind.requiresContext {
            throw refuse(
                "context", "A \(type.name) program is run on a struct \(kind.contextType ?? "").")
        }
    }

    /// How JSON becomes the context; nil where only bytes will do.
    private func contextPlan(_ kind: TestRunKind, _ info: ProgramInfo, _ function: String)
        throws(Problem) -> ValuePlan?
    {
        // A type that cannot be read leaves the bytes, and the refusal says so.
        do {
            if let name = kind.contextType {
                let types = try KernelTypes.vmlinux()
                return try types.find(name, .structure).map { try ValuePlan(types, type: $0) }
            }
            guard kind.contextIsOwn, info.btfID != 0 else { return nil }
            let types = try KernelTypes.types(id: info.btfID)
            guard let id = types.find(function, .function),
                let first = types.prototype(of: id)?.parameters.first,
                let structure = types.pointee(of: first.type)
            else { return nil }
            return try ValuePlan(types, type: structure)
        } catch {
            return nil
        }
    }

    private func contextBytes(
        _ request: TestRunRequest, _ kind: TestRunKind, _ plan: ValuePlan?, dataBytes: Int
    ) throws(Problem) -> [UInt8] {
        guard let context = request.context else { return [] }
        let pointer = JSONPointer.root.appending("context")
        guard case .value(var value) = context else {
            guard case .bytes(let bytes) = context else { return [] }
            return bytes
        }
        if kind.contextIsArguments { return try arguments(value, pointer) }
        guard let plan else {
            throw Problem(
                .invalidValue,
                "The type of the context is not known here: give its bytes, {\"hex\": \"…\"}.",
                pointer: pointer.description)
        }
        // The kernel wants the end of the data there, and nothing else.
        if kind.contextType == "xdp_md", var object = value.object, object["data_end"] == nil {
            object["data_end"] = JSONValue(dataBytes)
            value = .object(object)
        }
        do { return try plan.encode(value, at: pointer) } catch {
            throw Problem(
                .invalidValue, "The context is \(plan.typeName): \(error.reason).",
                pointer: error.pointer.description)
        }
    }

    private func arguments(_ value: JSONValue, _ pointer: JSONPointer) throws(Problem) -> [UInt8] {
        guard let array = value.array, array.count <= 12 else {
            throw Problem(
                .invalidValue,
                "The context of a raw tracepoint is an array of at most 12 integers, its "
                    + "arguments.",
                pointer: pointer.description)
        }
        var bytes: [UInt8] = []
        for (index, element) in array.enumerated() {
            guard
                let word = element.uint64 ?? element.int.map({ UInt64(bitPattern: Int64($0)) })
            else {
                throw Problem(
                    .invalidValue, "An argument is an integer of 64 bits.",
                    pointer: pointer.appending(index).description)
            }
            for shift in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift))))
            }
        }
        return bytes
    }

    private func refusal(
        _ error: BPFError, _ name: String, _ input: TestRunInput, _ kind: TestRunKind
    ) -> Problem {
        switch error.errno {
        case .einval, .enomem, .efbig, .e2big:
            let problem =
                kind.takesData
                ? "a packet of \(input.data.count) bytes with this context: at least "
                    + "\(kind.leastData) bytes (before 6.18 at most about 3,500) are taken, and a "
                    + "context whose members that a program cannot set are 0"
                : "these arguments: a raw tracepoint takes at least as many as it reads, a syscall "
                    + "program a context of at most 64 KiB"
            return Problem(
                .invalidValue, "The kernel does not run \(name) on \(problem).",
                errno: error.errno.name, cause: error)
        case .enxio:
            return Problem(
                .invalidValue, "There is no CPU \(input.cpu) that is online.",
                errno: error.errno.name, pointer: "/cpu", cause: error)
        case .enotsupp, .eopnotsupp:
            return Problem(
                .hostLacks, "This kernel cannot test-run \(name): \(error.errno).",
                hint: "Since 5.10 it runs raw_tracepoint, since 5.14 syscall, since 6.4 netfilter.",
                cause: error)
        default:
            return Problem(error, while: "test-run \(name)")
        }
    }
}
