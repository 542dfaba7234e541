public import JSON
public import Problems
public import Testing

/// What curl got.
public struct Answer: Sendable {
    public let status: Int
    /// Of the final answer, in order.
    public let headers: [(name: String, value: String)]
    public let body: [UInt8]
    /// The command as it can be typed, for the text of a failure.
    public let curlLine: String

    /// - Parameter headers: names in any case.
    public init(
        status: Int, headers: [(name: String, value: String)], body: [UInt8], curlLine: String
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.curlLine = curlLine
    }

    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// Content-Type without its parameters; empty where there is none.
    public var mediaType: String {
        let type = header("Content-Type") ?? ""
        return String(type.prefix { $0 != ";" && $0 != " " }).lowercased()
    }

    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; `null` where it is not JSON, so that a comparison fails and shows it.
    public var json: JSONValue {
        do { return try JSONValue.parse(body.span) } catch { return .null }
    }

    /// The value at an RFC 6901 pointer into the body.
    public subscript(_ pointer: String) -> JSONValue? { json.at(pointer) }

    public var etag: String? { header("ETag") }

    /// Expects the status, and a body that has at least what `json` has.
    @discardableResult
    public func answers(
        _ status: Int, _ json: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Answer {
        if self.status != status {
            Issue.record("\(self)\nexpected status \(status)", sourceLocation: sourceLocation)
            return self
        }
        guard let json else { return self }
        let wanted: JSONValue
        do { wanted = try JSONValue.parse(json) } catch {
            Issue.record("the expected JSON: \(error)", sourceLocation: sourceLocation)
            return self
        }
        for violation in self.json.lacks(wanted) {
            Issue.record("\(self)\n\(violation)", sourceLocation: sourceLocation)
        }
        return self
    }

    /// Expects the status and a problem with this code.
    @discardableResult
    public func answers(
        _ status: Int, problem: String, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Answer {
        answers(status, #"{"code":"\#(problem)"}"#, sourceLocation: sourceLocation)
    }

    /// Expects the status and a problem of this type.
    @discardableResult
    public func answers(
        _ status: Int, problem: ProblemType, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Answer {
        answers(status, problem: problem.code, sourceLocation: sourceLocation)
    }
}

extension Answer: CustomStringConvertible {
    public var description: String {
        let shown = text.prefix(4000)
        return "$ \(curlLine)\n\(status) \(mediaType)\n\(shown)"
    }
}
