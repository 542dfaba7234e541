// rooms: JSON BTF Linux BPF Events
//
// A filter of any text against a record of any bytes, in every format: the filter is refused with a
// place in it or compiled, the record is shown as sound JSON or left out, and nothing beyond it is
// read. The same text is taken for a list of fields too. The input is the filter, a zero, the record.
import BTF
import Events
import JSON

@_cdecl("LLVMFuzzerTestOneInput") public func fuzzEvents(
    _ start: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let cut = bytes.firstIndex(of: 0) ?? bytes.count
    let text = String(decoding: bytes[..<cut], as: UTF8.self)
    let record = Array(bytes[cut...].dropFirst())
    var query = StreamQuery()
    do { query.filter = try Filter(parsing: text) } catch {
        guard (1...max(text.utf8.count, Int(4096)) + 1).contains(error.position) else {
            broken("\(error) is not in the filter")
        }
    }
    for format in [StreamFormat.ndjson, .sse, .jsonSequence, .csv] {
        query.format = format
        show(record, query)
    }
    query.format = .ndjson
    query.filter = nil
    query.records = .invalid
    show(record, query)
    query.records = .all
    for fields in [["comm", "state", "level"], text.split(separator: ",").map(String.init)] {
        query.fields = fields.filter(isAllowed)
        for format in [StreamFormat.ndjson, .csv] {
            query.format = format
            query.columns = query.fields
            show(record, query)
        }
    }
    return 0
}

/// As `subscribe` refuses them.
private func isAllowed(_ field: String) -> Bool {
    guard (try? MemberPath.check(field)) != nil else { return false }
    return listed.plan.elementsBefore(field) <= 64
}

private func show(_ record: [UInt8], _ query: StreamQuery) {
    for schema in schemas {
        var trial = RecordTrial(schema, query)
        for isPadded in [false, true] {
            let (invalid, line) = trial.show(record, sequence: 9, isPadded: isPadded)
            if invalid != nil, query.records != .invalid, line != nil {
                broken("an invalid record is shown")
            }
            guard let line, query.format == .ndjson else { continue }
            guard (try? JSONValue.parse(line.span)) != nil else {
                broken("\(String(decoding: line, as: UTF8.self)) is no JSON")
            }
        }
    }
}

private let listed: RecordType = {
    guard let type = type("listed") else { broken("the types of the fuzzer itself") }
    return type
}()

private let schemas: [RecordSchema?] = {
    guard let sample = type("sample"), let other = type("other"),
        let tagged = try? RecordSchema(by: "state", [("IDLE", sample), ("5", other)])
    else { broken("the types of the fuzzer itself") }
    return [nil, RecordSchema(sample), RecordSchema(listed), tagged]
}()

/// A struct with a member of every sort, its types encoded by hand; one that is named `listed` has
/// arrays of structs.
private func type(_ name: String) -> RecordType? {
    var strings: [UInt8] = [0]
    func place(_ text: String) -> UInt32 {
        defer { strings += Array(text.utf8) + [0] }
        return UInt32(strings.count)
    }
    func kind(_ number: UInt32, _ count: UInt32 = 0) -> UInt32 { number << 24 | count }
    var words: [UInt32] = []
    words += [place("u64"), kind(1), 8, 64, place("u32"), kind(1), 4, 32]  // 1, 2
    words += [place("int"), kind(1), 4, 1 << 24 | 32, place("u16"), kind(1), 2, 16]  // 3, 4
    words += [place("unsigned char"), kind(1), 1, 8, place("char"), kind(1), 1, 1 << 24 | 8]  // 5, 6
    words += [place("_Bool"), kind(1), 1, 4 << 24 | 8, place("double"), kind(16), 8]  // 7, 8
    words += [place("state"), kind(6, 2), 4, place("IDLE"), 0, place("BUSY"), 5]  // 9
    words += [0, kind(3), 0, 5, 2, 4, 0, kind(3), 0, 6, 2, 16, 0, kind(3), 0, 6, 2, 0]  // 10 to 12
    words += [place("point"), kind(4, 2), 4, place("x"), 4, 0, place("y"), 4, 16]  // 13
    words += [0, kind(3), 0, 13, 2, 2, 0, kind(3), 0, 13, 2, 0]  // 14, 15
    let isListed = name == "listed"
    let members: [(String, UInt32, UInt32)] = [
        ("ts", 1, 0), ("pid", 2, 64), ("ret", 3, 96), ("state", 9, 128), ("mac", 10, 160),
        isListed ? ("in", 14, 192) : ("ratio", 8, 192),
        ("flag", 2, 1 << 24 | 256), ("level", 2, 7 << 24 | 257),
        ("ok", 7, 288), ("port", 4, 304), ("comm", 11, 320),
        isListed ? ("items", 15, 448) : ("text", 12, 448),
    ]
    // kind_flag: bitfield sizes stand beside the offsets.
    words += [place(name), 1 << 31 | kind(4, UInt32(members.count)), 56]
    for (member, type, offset) in members { words += [place(member), type, offset] }
    let header: [UInt32] = [
        0x0001_EB9F, 24, 0, UInt32(4 * words.count), UInt32(4 * words.count),
        UInt32(strings.count),
    ]
    let bytes = (header + words).flatMap { word in
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    } + strings
    guard let types = try? BTFTypes(parsing: bytes), let id = types.find(name, .structure),
        let plan = try? ValuePlan(types, type: id)
    else { return nil }
    return RecordType(name: name, plan: plan, types: types, typeID: id)
}
