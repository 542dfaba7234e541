internal import ControlPlane
internal import Events
internal import JSON
internal import Problems

/// Reads an entry of a load's `events`.
func eventOptions(_ object: JSONObject, _ pointer: JSONPointer) throws(Problem) -> EventOptions {
    let fields = try Fields(
        object, at: pointer,
        known: ["type", "type_by", "types", "validate", "symbols", "retention", "buffer_bytes"])
    var options = EventOptions()
    options.type = try fields.string("type")
    options.typeBy = try fields.string("type_by")
    for member in try fields.object("types")?.members ?? [] {
        guard let type = member.value.string else {
            throw Problem(
                .invalidMember, "A type is a string, the name of a struct.",
                pointer: pointer.appending("types").appending(member.name).description)
        }
        options.types[member.name] = type
    }
    if !options.types.isEmpty, options.typeBy == nil {
        throw Problem(
            .invalidMember, "types without type_by: say which member tells them apart.",
            pointer: pointer.appending("types").description)
    }
    options.rules = try rules(fields.object("validate"), pointer.appending("validate"))
    options.symbols = try fields.strings("symbols") ?? []
    options.retention = try retention(fields.object("retention"), pointer.appending("retention"))
    options.bufferBytes = try number(object, "buffer_bytes", 4096...(64 << 20), pointer)
    return options
}

private func rules(_ object: JSONObject?, _ pointer: JSONPointer) throws(Problem)
    -> ValidationRules
{
    var rules = ValidationRules()
    guard let object else { return rules }
    let fields = try Fields(object, at: pointer, known: ["size", "pid", "time", "tag"])
    rules.size = try fields.bool("size") ?? true
    rules.tag = try fields.bool("tag") ?? true
    rules.pid = try memberRule(object, "pid", pointer)
    rules.time = try memberRule(object, "time", pointer)
    return rules
}

private func memberRule(_ object: JSONObject, _ name: String, _ pointer: JSONPointer)
    throws(Problem) -> ValidationRules.MemberRule
{
    let value = object[name]
    guard value == nil || value?.bool != nil || value?.string != nil else {
        throw Problem(
            .invalidMember, "\(name) is true, false, or the name of the member to look at.",
            pointer: pointer.appending(name).description)
    }
    return EventOptions.rule(value)
}

private func retention(_ object: JSONObject?, _ pointer: JSONPointer) throws(Problem) -> Retention {
    guard let object else { return Retention() }
    _ = try Fields(object, at: pointer, known: ["bytes", "age_s"])
    return Retention(
        bytes: try number(object, "bytes", 16384...(1 << 40), pointer),
        ageSeconds: try number(object, "age_s", 1...(366 * 86400), pointer))
}

private func number(
    _ object: JSONObject, _ name: String, _ range: ClosedRange<Int>, _ pointer: JSONPointer
) throws(Problem) -> Int? {
    guard let value = object[name] else { return nil }
    guard let number = value.int, range.contains(number) else {
        throw Problem(
            .invalidMember,
            "\(name) is an integer from \(range.lowerBound) to \(range.upperBound).",
            pointer: pointer.appending(name).description)
    }
    return number
}
