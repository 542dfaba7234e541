/// What all headers of a request say about how to read it: the one place that decides whether a
/// request is let through. Pure; every byte comes from the client.
///
/// libmicrohttpd 0.9.75 takes the first of two lengths and lets chunked win over a length, which
/// is how requests are smuggled past a proxy that decides otherwise; so what is ambiguous is
/// refused here (RFC 9112, 6.3) before anything is done with it.
struct Gate {
    /// How the body is delimited.
    enum Framing: Hashable { case none, length(Int), chunked }
    enum Encoding: Hashable { case identity, gzip }

    private(set) var headers: [(name: String, value: String)] = []
    private(set) var framing = Framing.none
    private(set) var expectsContinue = false
    private(set) var acceptsGzip = false
    private(set) var clientRequestID: String?
    /// What is wrong first; later headers are not looked at.
    private(set) var failure: Refusal?
    private var hosts = 0
    private var encodings = 0
    private var encoding: String?

    /// More headers than this are refused.
    static let headerLimit = 100

    init() { headers.reserveCapacity(6) }

    /// One header, as it came.
    mutating func take(name: Span<UInt8>, value: Span<UInt8>) {
        guard failure == nil else { return }
        do { try check(name, value) } catch { failure = error }
    }

    private mutating func check(_ name: Span<UInt8>, _ value: Span<UInt8>) throws(Refusal) {
        guard headers.count < Self.headerLimit else {
            throw .malformed("There are more than \(Self.headerLimit) headers.")
        }
        let name = try Self.lowercased(name)
        let isBlankAtEnd = Self.isBlankAtEnd(value)
        let value = try Self.trimmed(value)
        switch name {
        case "host": hosts += 1
        case "content-length": try take(length: value)
        case "transfer-encoding":
            // libmicrohttpd 0.9.75 keeps blanks at the end, does not know "chunked " then, and
            // reads all that follows as one body; others read chunks there.
            guard !isBlankAtEnd else {
                throw .malformed("Transfer-Encoding has a blank behind its value.")
            }
            try take(transferEncoding: value)
        case "content-encoding":
            encodings += 1
            encoding = value
        case "accept-encoding": acceptsGzip = acceptsGzip || Self.accepts("gzip", value)
        case "expect": expectsContinue = value.lowercased() == "100-continue"
        case "x-request-id" where RequestID.isSane(value): clientRequestID = value
        default: break
        }
        headers.append((name, value))
    }

    /// To be called once after the last header.
    /// - Parameter version: of the request line.
    func check(version: Version) throws(Refusal) {
        if let failure { throw failure }
        guard hosts <= 1 else { throw .malformed("There are \(hosts) Host headers.") }
        guard version == .http10 || hosts == 1 else {
            throw .malformed("An HTTP/1.1 request needs a Host header.")
        }
        if framing == .chunked && version == .http10 {
            throw .malformed("HTTP/1.0 has no Transfer-Encoding.")
        }
    }

    enum Version: Hashable { case http10, http11 }

    var hasBody: Bool {
        switch framing {
        case .none: false
        case .length(let length): length > 0
        case .chunked: true
        }
    }

    /// How the body is packed.
    func bodyEncoding() throws(Refusal) -> Encoding {
        guard let encoding else { return .identity }
        guard encodings == 1 else { throw .unsupportedEncoding("several Content-Encoding headers") }
        switch encoding.lowercased() {
        case "identity", "": return .identity
        case "gzip", "x-gzip": return .gzip
        default: throw .unsupportedEncoding(encoding)
        }
    }

    private mutating func take(length value: String) throws(Refusal) {
        guard framing == .none else { throw .malformed("The body's length is said twice.") }
        // 18 digits fit in 63 bits.
        guard (1...18).contains(value.utf8.count),
            value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let length = Int(value)
        else { throw .malformed("Content-Length is not one number.") }
        framing = .length(length)
    }

    private mutating func take(transferEncoding value: String) throws(Refusal) {
        guard framing == .none else { throw .malformed("The body's length is said twice.") }
        guard value.lowercased() == "chunked" else {
            throw .malformed("Transfer-Encoding may only be chunked.")
        }
        framing = .chunked
    }

    /// A token of RFC 9110, 5.6.2, in lower case.
    private static func lowercased(_ name: Span<UInt8>) throws(Refusal) -> String {
        guard (1...128).contains(name.count) else {
            throw .malformed("A header's name has \(name.count) bytes.")
        }
        for index in name.indices where !isTokenByte(name[index]) {
            throw .malformed("A header's name holds a byte that is not allowed there.")
        }
        // SAFETY: the buffer has room for as many bytes as are written.
        return unsafe String(unsafeUninitializedCapacity: name.count) { lower in
            for index in name.indices {
                let byte = name[index]
                let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                unsafe lower[index] = isUpper ? byte | 0x20 : byte
            }
            return name.count
        }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "^"), UInt8(ascii: "`"),
            UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isBlankAtEnd(_ value: Span<UInt8>) -> Bool {
        value.count > 0 && isBlank(value[value.count - 1])
    }

    /// The value without white space around it; control bytes other than tab are refused.
    private static func trimmed(_ value: Span<UInt8>) throws(Refusal) -> String {
        var start = 0
        var end = value.count
        while start < end && isBlank(value[start]) { start += 1 }
        while end > start && isBlank(value[end - 1]) { end -= 1 }
        for index in start..<end
        where (value[index] < 0x20 && value[index] != 0x09) || value[index] == 0x7f {
            throw .malformed("A header's value holds a control byte.")
        }
        guard let text = String(utf8: value.extracting(start..<end)) else {
            throw .malformed("A header's value is not UTF-8.")
        }
        return text
    }

    /// Whether a list with weights (RFC 9110, 12.5.3) names `coding` with more than zero.
    private static func accepts(_ coding: String, _ list: String) -> Bool {
        for element in list.lowercased().split(separator: ",") {
            let parts = element.split(separator: ";").map { part in
                String(part.filter { $0 != " " && $0 != "\t" })
            }
            guard parts.first == coding else { continue }
            return !parts.dropFirst().contains { weight in
                weight.hasPrefix("q=0") && weight.dropFirst(3).allSatisfy { $0 == "0" || $0 == "." }
            }
        }
        return false
    }
}
