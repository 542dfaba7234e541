// files: Sources/HTTP/Gate.swift Sources/HTTP/RequestTarget.swift Sources/HTTP/RequestID.swift Sources/Events/Cursor.swift
//
// What decides on a request before anything is done with it: the header gate, the splitter and decoder
// of targets, and the reader of cursors. The input is a head as a client sends it; its first line is also
// read as a cursor.
import Synchronization

/// As in Sources/HTTP/Application.swift, which needs the room's C libraries.
enum Refusal: Error, Hashable {
    case malformed(String)
    case unsupportedEncoding(String)
}

/// As in Sources/Events/Journal.swift.
enum Journal {
    static func hex(_ number: UInt64) -> [UInt8] {
        let digits = String(number, radix: 16)
        return Array((String(repeating: "0", count: 16 - digits.count) + digits).utf8)
    }
}

@_cdecl("LLVMFuzzerTestOneInput") public func fuzzRequest(
    _ start: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    readTarget(Array(lines.first ?? []))
    readCursor(Array(lines.first ?? []))
    readHeaders(lines.dropFirst().map { Array($0) })
    return 0
}

private func readTarget(_ bytes: [UInt8]) {
    guard let target = try? RequestTarget(bytes.span) else { return }
    promise(bytes.first == UInt8(ascii: "/"), "a target that is no path was taken")
    let path = bytes.prefix { $0 != UInt8(ascii: "?") }
    let slashes = path.count { $0 == UInt8(ascii: "/") }
    promise(
        target.segments.count == (path.count > 1 ? slashes : 0),
        "decoding made or removed a segment")
    for segment in target.segments {
        promise(segment != "." && segment != "..", "a dot segment was taken")
        promise(!segment.utf8.contains(0), "a NUL was taken in a path")
    }
    for (name, value) in target.query {
        promise(!(name + value).utf8.contains(0), "a NUL was taken in a query")
    }
    promise(target.query.count <= RequestTarget.queryLimit, "more parameters than the limit")
}

private func readCursor(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let cursor = Cursor(parsing: text) else { return }
    promise(
        String(decoding: cursor.text, as: UTF8.self) == text, "a cursor is not as it was written")
}

private func readHeaders(_ lines: [[UInt8]]) {
    var gate = Gate()
    var lengths = 0
    var codings = 0
    for line in lines {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
        let name = Array(line[..<colon])
        gate.take(name: name.span, value: Array(line[(colon + 1)...]).span)
        switch String(decoding: name, as: UTF8.self).lowercased() {
        case "content-length": lengths += 1
        case "transfer-encoding": codings += 1
        default: break
        }
    }
    guard (try? gate.check(version: .http11)) != nil else { return }
    promise(lengths + codings <= 1, "two lengths of the body were taken")
    promise(gate.headers.count <= Gate.headerLimit, "more headers than the limit")
    promise(gate.headers.count { $0.name == "host" } == 1, "not one Host")
    for (name, value) in gate.headers {
        promise(!(name + value).utf8.contains { $0 < 0x20 && $0 != 9 || $0 == 0x7f }, "a control byte")
    }
    switch gate.framing {
    case .length(let length): promise(length >= 0, "a negative length")
    case .chunked, .none: break
    }
    _ = try? gate.bodyEncoding()
}
