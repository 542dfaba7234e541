// rooms: JSON BTF
//
// Types that an object brings, of any content: they are refused or can be asked for everything,
// and each type that has values shows bytes as JSON, which is sound, and takes it back where it
// says that it would.
import BTF
import JSON

@_cdecl("LLVMFuzzerTestOneInput") public func fuzzBTF(
    _ start: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard let types = try? BTFTypes(parsing: bytes) else { return 0 }
    for id in 0..<UInt32(min(types.count, 200)) {
        ask(types, id)
        guard let plan = try? ValuePlan(types, type: id), plan.size <= 1 << 12 else { continue }
        use(plan, id)
    }
    return 0
}

private func ask(_ types: BTFTypes, _ id: BTFTypes.ID) {
    _ = types.spelling(of: id)
    _ = types.members(of: id)
    _ = types.enumerators(of: id)
    _ = types.size(of: id)
    _ = types.array(of: id)
    _ = types.prototype(of: id)
    _ = types.declarationTags(on: id)
    _ = types.declarationTags(on: id, member: 0)
    _ = types.variables(in: id)
    _ = types.find(types.name(of: id), types.kind(of: id))
}

private func use(_ plan: ValuePlan, _ id: BTFTypes.ID) {
    var noise = UInt64(id) &* 0x9E37_79B9_7F4A_7C15 | 1
    for round in 0..<3 {
        var value = [UInt8](repeating: 0, count: plan.size)
        for index in value.indices where round > 0 {
            noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            value[index] = round == 1 ? UInt8(truncatingIfNeeded: noise >> 56) : 0xFF
        }
        var json = JSONWriter(capacity: 64)
        plan.renderKey(value.span, into: &json)
        let text = json.bytes()
        guard let shown = try? JSONValue.parse(text.span) else {
            broken("\(plan.typeName): \(String(decoding: text, as: UTF8.self)) is no JSON")
        }
        guard let back = try? plan.encode(shown), back == value else {
            broken("a key of \(plan.typeName) does not come back: \(shown) of \(value)")
        }
        var typed = JSONWriter(capacity: 64, int64: .string)
        plan.render(value.span, into: &typed)
        let second = typed.bytes()
        guard let values = try? JSONValue.parse(second.span) else {
            broken("a value of \(plan.typeName) is shown as what is no JSON")
        }
        _ = try? plan.encode(values)
        for member in plan.members.prefix(64) { _ = plan.integer(member, in: value.span) }
        _ = plan.numbers
    }
}
