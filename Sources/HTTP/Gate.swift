internal import Linux

/// The first look at a request: what libmicrohttpd lets through and must not pass (it takes two
/// lengths, two hosts and NULs in headers), and the path and query in decoded form.
struct Gate {
    /// Header fields as they came, in order.
    typealias Field = (name: [UInt8], value: [UInt8])

    /// The request's head, or why it is refused. A refused request's connection is closed.
    static func open(
        method methodText: String, uri: String, version: String, fields: [Field], peer: Peer,
        requestID: String
    ) -> Result<RequestHead, Refusal.Thrown> {
        do {
            guard let method = Method(rawValue: methodText) else {
                throw Refusal.Thrown(.unknownMethod(String(methodText.prefix(32))))
            }
            let headers = try headers(fields)
            try checkFraming(headers, version)
            let (path, segments, query) = try split(uri)
            return .success(
                RequestHead(
                    method: method, rawPath: path, segments: segments, query: query,
                    headers: headers, peer: peer, requestID: requestID))
        } catch let error as Refusal.Thrown {
            return .failure(error)
        } catch {
            return .failure(Refusal.Thrown(.malformed("The request is malformed.")))
        }
    }

    private static func malformed(_ text: String) -> Refusal.Thrown {
        Refusal.Thrown(.malformed(text))
    }

    private static func headers(_ fields: [Field]) throws -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(fields.count)
        for field in fields {
            guard field.name.allSatisfy(isTokenByte), !field.name.isEmpty else {
                throw malformed("A header's name has a byte that is no token character.")
            }
            let isText = field.value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
            guard isText, let value = String(validating: field.value, as: UTF8.self) else {
                throw malformed("A header's value has a control byte or is no UTF-8.")
            }
            let name = String(decoding: field.name.map(lowercase), as: UTF8.self)
            headers.append((name: name, value: value))
        }
        return headers
    }

    /// RFC 9112, sections 3.2 and 6: exactly one host, one length or one `chunked`, never both.
    private static func checkFraming(_ headers: [(name: String, value: String)], _ version: String)
        throws
    {
        var hosts = 0
        var lengths: [String] = []
        var codings: [String] = []
        for header in headers {
            switch header.name {
            case "host": hosts += 1
            case "content-length": lengths.append(header.value)
            case "transfer-encoding": codings.append(header.value)
            default: break
            }
        }
        guard hosts <= 1 else { throw malformed("There are \(hosts) Host headers.") }
        guard hosts == 1 || version != "HTTP/1.1" else {
            throw malformed("There is no Host header.")
        }
        guard lengths.count <= 1 else {
            throw malformed("There are \(lengths.count) Content-Length headers.")
        }
        guard lengths.isEmpty || codings.isEmpty else {
            throw malformed("There is a Content-Length beside a Transfer-Encoding.")
        }
        if let length = lengths.first {
            guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                throw malformed("Content-Length is no number.")
            }
        }
        if !codings.isEmpty {
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw malformed("Transfer-Encoding is other than one \"chunked\".")
            }
        }
    }

    private static func split(_ uri: String) throws -> (
        path: String, segments: [String], query: [(name: String, value: String)]
    ) {
        let bytes = uri.utf8
        guard bytes.first == UInt8(ascii: "/") else {
            throw malformed("The request's target is not a path.")
        }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw malformed("The request's target has a byte that must be percent-encoded.")
        }
        let mark = uri.firstIndex(of: "?")
        let path = mark.map { uri[..<$0] } ?? uri[...]
        var segments: [String] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            guard let segment = PercentCoding.decode(part.utf8) else {
                throw malformed("The path has a broken percent-escape, a NUL or is no UTF-8.")
            }
            segments.append(segment)
        }
        // `/v1/programs/` is `/v1/programs`; anything else empty in between stays and matches
        // nothing.
        if segments.count > 1, segments.last == "" { segments.removeLast() }
        var query: [(name: String, value: String)] = []
        if let mark {
            for item in uri[uri.index(after: mark)...].split(separator: "&") {
                let equals = item.firstIndex(of: "=")
                let name = equals.map { item[..<$0] } ?? item
                let value = equals.map { item[item.index(after: $0)...] } ?? ""
                guard let name = PercentCoding.decode(name.utf8),
                    let value = PercentCoding.decode(value.utf8)
                else {
                    throw malformed("The query has a broken percent-escape, a NUL or is no UTF-8.")
                }
                query.append((name: name, value: value))
            }
        }
        return (String(path), segments, query)
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static let tokenBytes: [Bool] = {
        var table = [Bool](repeating: false, count: 256)
        let letters =
            "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for byte in letters.utf8 { table[Int(byte)] = true }
        return table
    }()

    private static func isTokenByte(_ byte: UInt8) -> Bool { tokenBytes[Int(byte)] }
}

/// The ids by which a request is found again in the log and in the audit.
enum RequestID {
    /// The client's own where it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else 16 hex digits made here.
    static func choose(_ sent: [UInt8]?) -> String {
        if let sent, (1...128).contains(sent.count), sent.allSatisfy(isSane) {
            return String(decoding: sent, as: UTF8.self)
        }
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func isSane(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension Refusal {
    /// A refusal on its way out of the gate.
    struct Thrown: Error {
        let refusal: Refusal
        init(_ refusal: Refusal) { self.refusal = refusal }
    }
}
