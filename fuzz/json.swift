// rooms: JSON
//
// What a client may send as a document: the reader takes it or says where it is wrong, and what it
// took comes back as it was written. The slicing reader of large bodies agrees with it.
import JSON

@_cdecl("LLVMFuzzerTestOneInput") public func fuzzJSON(
    _ start: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let slices = sliced(bytes)
    guard let value = try? JSONValue.parse(bytes.span) else { return 0 }
    let text = value.serialized()
    guard let again = try? JSONValue.parse(text.span), again == value else {
        broken("not read as it was written: \(String(decoding: text, as: UTF8.self))")
    }
    switch value {
    case .object(let object) where object.count <= 1000:
        promise(slices == object.members.map(\.value), "an object has other members in slices")
    case .array(let array):
        promise(slices == array, "an array has other elements in slices")
    default: break
    }
    return 0
}

/// The parts of a document, each read for itself; nil where one is not acceptable.
private func sliced(_ bytes: [UInt8]) -> [JSONValue]? {
    var ranges: [Range<Int>]?
    if let members = try? JSONSlices.members(of: bytes.span) { ranges = members.map(\.value) }
    let start = bytes.firstIndex { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } ?? 0
    if ranges == nil {
        ranges = try? JSONSlices.elements(of: bytes.span, in: start..<bytes.count, limit: 100_000)
    }
    return try? ranges?.map { try JSONSlices.parse(bytes.span, $0) }
}
