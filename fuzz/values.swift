// rooms: JSON BTF
//
// A client's document for a value: the input is JSON, up to its last NUL, and BTF behind that. What
// a type takes has its size and is taken again as it is shown then, unless a union has shown more.
import BTF
import JSON

@_cdecl("LLVMFuzzerTestOneInput") public func fuzzValues(
    _ start: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard let split = bytes.firstIndex(of: 0),
        let document = try? JSONValue.parse(bytes.span.extracting(0..<split)),
        let types = try? BTFTypes(parsing: Array(bytes[(split + 1)...]))
    else { return 0 }
    for id in 1..<UInt32(max(1, min(types.count, 100))) {
        guard let plan = try? ValuePlan(types, type: id), plan.size <= 1 << 12 else { continue }
        var (direct, position) = ([UInt8](repeating: 0, count: plan.size), 0)
        let isDirect = plan.decode(
            bytes.span.extracting(0..<split), &position, into: &direct, at: 0)
        guard let value = try? plan.encode(document) else {
            promise(!isDirect, "\(plan.typeName) is read directly and refused else")
            continue
        }
        promise(!isDirect || direct == value, "\(plan.typeName) is read directly to other bytes")
        promise(value.count == plan.size, "\(plan.typeName) became \(value.count) bytes")
        var json = JSONWriter(capacity: 64)
        plan.renderKey(value.span, into: &json)
        let text = json.bytes()
        guard let shown = try? JSONValue.parse(text.span),
            let again = try? plan.encode(shown), again == value
        else { broken("\(plan.typeName) does not take what it shows") }
    }
    return 0
}
