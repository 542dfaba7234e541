internal import Foundation
internal import JSON
internal import Linux
public import Testing

let curlPath = "/usr/bin/curl"

extension TestDaemon {
    /// Runs the real curl over the socket, and holds the answer against the contract.
    ///
    /// - Parameter request: method, path and query: `PUT /v1/programs/x?attach=auto`. What may not
    ///   stand in a URL is percent-encoded, `%` itself is not.
    /// - Parameter headers: as curl's `-H` takes them: `If-Match: "0"`.
    /// - Parameter file: is uploaded with `-T`, so without a Content-Type; an object by its name
    ///   (`counts.bpf.o`), or a path.
    /// - Parameter json: the body, sent as `application/json` unless `headers` say otherwise;
    ///   `@path` for what is in a file.
    /// - Throws: where curl got no whole answer; the text has its command and what it said.
    @discardableResult
    public func curl(
        _ request: String, _ headers: String..., file: String? = nil, json: String? = nil,
        by reach: CurlReach? = nil, deadlineSeconds: Int = 60,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Answer {
        let reach = reach ?? .socket(socket)
        let request = CurlRequest(request, headers, file: file, json: json, by: reach)
        requestCount += 1
        let bodyFile = directory + "/curl/\(requestCount).body"
        let headerFile = directory + "/curl/\(requestCount).headers"
        let exit = try Child.run(
            reach.command.first ?? curlPath,
            arguments: reach.command.dropFirst() + request.arguments + [
                "-o", bodyFile, "-D", headerFile, "--max-time", "\(deadlineSeconds)",
            ],
            environment: ["PATH=/usr/bin:/bin"],
            deadlineMilliseconds: (deadlineSeconds + 5) * 1000, outputLimit: 4096)
        guard exit.reason == .exited(0) else {
            let said = String(decoding: exit.errors, as: UTF8.self)
            throw TestDaemonError(
                description: "$ \(request.line)\n\(exit.reason) \(said)\ndaemon: \(logTail)")
        }
        let head = ResponseHead(FileSystem.text(headerFile) ?? "")
        // A HEAD request's body file has the headers: curl writes them there.
        let hasBody = request.method != "HEAD" && FileSystem.exists(bodyFile)
        let body = hasBody ? try FileSystem.read(bodyFile, limit: 1 << 30) : []
        try FileSystem.unlink(bodyFile)
        try FileSystem.unlink(headerFile)
        let answer = Answer(
            status: head.status, headers: head.fields, body: body, curlLine: request.line)
        for violation in contractViolations(of: answer, to: request) {
            Issue.record(
                "\(answer)\nagainst the contract: \(violation)", sourceLocation: sourceLocation)
        }
        return answer
    }

    /// What is not as the contract says, in the answer, or in a request that was taken.
    private func contractViolations(of answer: Answer, to request: CurlRequest) -> [Violation] {
        // An emulated guest takes a minute to read the contract, and the host has compared.
        if ProcessInfo.processInfo.environment["APIARY_GUEST"] != nil { return [] }
        // What the methods of a path are, and a preflight, are no operations.
        if request.method == "OPTIONS" && answer.status == 204 { return [] }
        let contract = OpenAPIDocument.contract
        let operation = contract.operation(request.method, request.path)
        var found = contract.violations(
            of: answer, to: operation, isHead: request.method == "HEAD")
        guard let operation, answer.status < 300 else { return found }
        for name in request.queryNames where !operation.queryParameters.contains(name) {
            found.append(Violation(.root, "the undeclared parameter \(name) was taken"))
        }
        if let json = request.json, let schema = operation.requestSchema {
            do {
                found += contract.validator.violations(of: try .parse(json), against: schema)
                    .map { Violation($0.pointer, "a body was taken that \($0.reason)") }
            } catch {
                found.append(Violation(.root, "a body was taken that is no JSON: \(error.reason)"))
            }
        }
        return found
    }
}

/// On which way curl asks, and as whom.
public struct CurlReach: Sendable {
    /// Runs curl as somebody else; empty: as the test itself.
    var command: [String] = []
    var arguments: [String] = []
    var base = "http://localhost"

    public static func socket(_ path: String) -> CurlReach {
        CurlReach(arguments: ["--unix-socket", path])
    }

    /// As another user. The directories on the way must let that user through.
    public static func user(_ id: Int, groups: [Int] = [], socket: String) -> CurlReach {
        let groups =
            groups.isEmpty
            ? "--clear-groups" : "--groups=" + groups.map(String.init).joined(separator: ",")
        return CurlReach(
            command: [
                "/usr/bin/setpriv", "--reuid=\(id)", "--regid=\(id)", groups, curlPath,
            ], arguments: ["--unix-socket", socket])
    }

    public static func tcp(_ port: Int) -> CurlReach { CurlReach(base: "http://127.0.0.1:\(port)") }

    /// - Parameter arguments: `--cacert`, `--cert`, `--key` and the like.
    public static func tls(_ port: Int, _ arguments: String...) -> CurlReach {
        CurlReach(arguments: arguments, base: "https://127.0.0.1:\(port)")
    }
}

/// One call of curl.
struct CurlRequest {
    let method: String
    /// As sent, without the query.
    let path: String
    let queryNames: [String]
    let json: String?
    let arguments: [String]

    init(
        _ request: String, _ headers: [String], file: String? = nil, json: String? = nil,
        by reach: CurlReach
    ) {
        let words = request.split(separator: " ", maxSplits: 1)
        precondition(words.count == 2, "a request is METHOD /path: \(request)")
        method = String(words[0])
        let target = Self.encoded(String(words[1]))
        let parts = target.split(separator: "?", maxSplits: 1)
        path = String(parts[0])
        queryNames = (parts.count > 1 ? parts[1].split(separator: "&") : []).map {
            String($0.prefix { $0 != "=" })
        }
        // Lines, and what is in a file (`@path`), are no document to compare.
        let isDocument =
            json?.hasPrefix("@") == false
            && !headers.contains { header in
                ["ndjson", "yaml"].contains { header.lowercased().hasSuffix($0) }
            }
        self.json = isDocument ? json : nil
        var arguments = ["-sS", "-g", "--path-as-is"] + reach.arguments
        switch (method, file) {
        case ("HEAD", _): arguments.append("-I")
        case ("GET", nil), ("PUT", _?): break
        default: arguments += ["-X", method]
        }
        if let file { arguments += ["-T", Repository.object(file)] }
        if let json {
            let isTyped = headers.contains { $0.lowercased().hasPrefix("content-type:") }
            if !isTyped { arguments += ["-H", "Content-Type: application/json"] }
            arguments += ["--data-binary", json]
        }
        for header in headers { arguments += ["-H", header] }
        self.arguments = arguments + [reach.base + target]
    }

    /// The command for a shell.
    var line: String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=-")
        return (["curl"] + arguments).map { word in
            if !word.isEmpty && word.allSatisfy(plain.contains) { return word }
            return "'" + word.replacing("'", with: #"'\''"#) + "'"
        }.joined(separator: " ")
    }

    private static func encoded(_ target: String) -> String {
        let allowed = Set("-._~!$&'()*+,;=:@/?%".utf8)
        return target.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let isPlain = character.isASCII && (character.isLetter || character.isNumber)
            if isPlain || allowed.contains(byte) { return String(character) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (byte < 16 ? "0" : "") + digits
        }.joined()
    }
}

/// The last block of what `curl -D` wrote: a 100 may stand before it.
struct ResponseHead {
    let status: Int
    let fields: [(name: String, value: String)]

    init(_ text: String) {
        let lines = text.split(separator: "\r\n").map(String.init)
        let start = lines.lastIndex { $0.hasPrefix("HTTP/") } ?? lines.endIndex
        let block = lines[start...]
        status = block.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        fields = block.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return (String(line[..<colon]), String(value))
        }
    }
}
