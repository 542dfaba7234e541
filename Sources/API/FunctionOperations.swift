internal import ControlPlane
internal import HTTP
internal import JSON
internal import Linux
internal import Problems

@Sendable func getFunction(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let program = try service.node.program(call.variables[0])
    let name = call.variables[1]
    guard let function = program.functions.first(where: { $0.report.name == name }) else {
        throw program.missing(name)
    }
    let measure = try call.number("measure_ms", in: 1...10_000)
    let measured = try measure.map { milliseconds throws(Problem) in
        try service.node.measure(program, name, milliseconds: milliseconds)
    }
    let info = try program.info(of: name)
    let mapNames = Dictionary(
        program.maps.map { ($0.info.id, $0.name) }, uniquingKeysWith: { one, _ in one })
    var document = JSONObject()
    document["program"] = .string(program.row.name)
    document["name"] = .string(name)
    document["section"] = .string(function.report.section)
    document["type"] = .string(function.report.type)
    document["target"] = JSONValue(function.report.target)
    document["kernel_id"] = number(function.kernelID)
    document["tag"] = JSONValue(info?.tag)
    document["instructions"] = JSONValue(function.report.instructions)
    document["verified_instructions"] = number(info?.verifiedInstructions)
    document["xlated_size_bytes"] = number(info?.loadedBytes)
    document["jited_size_bytes"] = number(info?.jitedBytes)
    document["maps"] = .array(
        (info?.mapIDs ?? []).compactMap { mapNames[$0] }.map { .string($0) })
    document["statistics"] = statistics(info)
    if let measured {
        document["measured"] = [
            "duration_ns": JSONValue(measured.durationNanoseconds),
            "run_count": JSONValue(measured.runCount),
            "run_time_ns": JSONValue(measured.runTimeNanoseconds),
        ]
    }
    document["verifier_log"] = JSONValue(function.report.verifierLog)
    document["probes"] = .array(function.probes.map { .string($0) })
    document["revision"] = .string(String(program.row.revision))
    // What was measured is of this moment, whatever copy the client has.
    if measured != nil {
        let tag = EntityTag(program.row.revision)
        return .json(.object(document), int64: try call.int64, headers: [tag.header])
    }
    return try .resource(document, revision: program.row.revision, call)
}

/// The kernel's counters of a function. Those of runs count only while statistics are on: null
/// where they never were.
func statistics(_ info: LoadedInfo?) -> JSONValue {
    let isCounting =
        RunStatisticsState.isHeld || FileSystem.text("/proc/sys/kernel/bpf_stats_enabled") == "1"
    let isKnown = isCounting || (info?.runCount ?? 0) > 0
    return [
        "run_count": isKnown ? number(info?.runCount) : .null,
        "run_time_ns": isKnown ? number(info?.runTimeNanoseconds) : .null,
        "missed": number(info?.recursionMisses),
    ]
}

@Sendable func getXlated(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    Answer(body: .text(try service.node.xlated(call.variables[0], call.variables[1])))
}

@Sendable func getJited(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    Answer(body: .text(try service.node.jited(call.variables[0], call.variables[1])))
}

@Sendable func testRun(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    let fields = try Fields(
        try call.document(), known: ["data", "context", "repeat", "flags", "cpu", "batch_size"])
    var request = TestRunRequest()
    var isBase64 = false
    if let data = try fields.object("data") {
        let (bytes, is64) = try testBytes(data, "data")
        request.data = bytes
        isBase64 = is64
    }
    if let value = fields.object["context"] {
        let isBytes = value.object.map { $0["hex"] != nil || $0["base64"] != nil } ?? false
        if isBytes, let object = value.object {
            request.context = .bytes(try testBytes(object, "context").0)
        } else {
            request.context = .value(value)
        }
    }
    request.repetitions = try integer(fields, "repeat", in: 1...1_000_000)
    request.flags = try fields.strings("flags") ?? []
    request.cpu = try integer(fields, "cpu", in: 0...65_535).map { UInt32($0) }
    request.batchSize = try integer(fields, "batch_size", in: 1...256).map { UInt32($0) }
    request.isDryRun = try call.isDryRun
    let outcome = try service.node.testRun(call.variables[0], call.variables[1], request)
    var document = JSONObject()
    if request.isDryRun { document["dry_run"] = true }
    document["return_value"] = number(outcome.returnValue)
    document["duration_ns"] = number(outcome.durationNanoseconds)
    document["data"] = outcome.data.map { shown($0, isBase64) } ?? .null
    document["context"] =
        outcome.context ?? outcome.contextBytes.map { shown($0, isBase64) } ?? .null
    return .json(.object(document), int64: try call.int64)
}

private func shown(_ bytes: [UInt8], _ isBase64: Bool) -> JSONValue {
    isBase64
        ? ["base64": .string(Base64.encode(bytes.span))] : ["hex": .string(Hex.encode(bytes.span))]
}

/// `{"hex": "00…"}` or `{"base64": "…"}`, and which of the two it was.
private func testBytes(_ object: JSONObject, _ name: String) throws(Problem) -> ([UInt8], Bool) {
    let pointer = JSONPointer.root.appending(name)
    let fields = try Fields(object, at: pointer, known: ["hex", "base64"])
    switch (try fields.string("hex"), try fields.string("base64")) {
    case (let text?, nil):
        guard let bytes = Hex.decode(text[...]) else {
            throw Problem(
                .invalidMember, "hex takes two hex digits for each byte and nothing else.",
                pointer: pointer.appending("hex").description)
        }
        return (bytes, false)
    case (nil, let text?):
        guard let bytes = Base64.decode(text) else {
            throw Problem(
                .invalidMember, "base64 is not base64 (RFC 4648, padded).",
                pointer: pointer.appending("base64").description)
        }
        return (bytes, true)
    default:
        throw Problem(
            .invalidMember, "\(name) has exactly one of \"hex\" and \"base64\".",
            pointer: pointer.description)
    }
}

private func integer(_ fields: Fields, _ name: String, in range: ClosedRange<Int>) throws(Problem)
    -> Int?
{
    guard let value = fields.object[name] else { return nil }
    guard let number = value.int, range.contains(number) else {
        throw Problem(
            .invalidMember,
            "\(name) must be an integer from \(range.lowerBound) to \(range.upperBound).",
            pointer: fields.pointer.appending(name).description)
    }
    return number
}
