internal import HTTP
internal import JSON
internal import Problems

extension Problem {
    /// RFC 9457, with the request's id.
    func document(requestID: String?) -> JSONObject {
        var document = JSONObject()
        document["type"] = .string("/problems/\(type.code)")
        document["title"] = .string(type.title)
        document["status"] = JSONValue(type.status)
        document["detail"] = .string(detail)
        document["code"] = .string(type.code)
        document["request_id"] = requestID.map { .string($0) }
        document["errno"] = errno.map { .string($0) }
        document["pointer"] = pointer.map { .string($0) }
        document["hint"] = hint.map { .string($0) }
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            document[name] = member.json
        }
        document["verifier_log"] = verifierLog.map { .string($0) }
        document["libbpf_log"] = libbpfLog.map { .string($0) }
        if requestID != nil { document["retryable"] = .bool(type.retryable) }
        return document
    }

    func response(requestID: String, headers: [(name: String, value: String)] = []) -> Response {
        let text = JSONValue.object(document(requestID: requestID)).serialized()
        var response = Response(
            status: type.status,
            headers: [(name: "Content-Type", value: "application/problem+json")] + headers,
            body: .bytes(text + [UInt8(ascii: "\n")]))
        if type.retryable {
            var seconds: Int64 = 1
            if case .number(let number)? = members["retry_after_s"] { seconds = number }
            response.headers.append((name: "Retry-After", value: "\(seconds)"))
        }
        return response
    }

    init(_ refusal: Refusal) {
        switch refusal {
        case .malformed(let reason): self.init(.malformedRequest, reason)
        case .unknownMethod(let method):
            self.init(.methodNotAllowed, "\(method) is not a method that any resource takes.")
        case .bodyTooLarge(let limit):
            self.init(
                .bodyTooLarge,
                limit == 0
                    ? "This operation takes no body: send the request without one."
                    : "The body is over the limit of \(limit) bytes.")
        case .lengthRequired:
            self.init(.lengthRequired, "The request has neither Content-Length nor chunks.")
        case .bodyTimeout:
            self.init(.malformedRequest, "The body did not arrive in time.")
        case .unsupportedEncoding(let encoding):
            self.init(
                .unsupportedMediaType,
                "Content-Encoding \(encoding) is not taken: send gzip or none.")
        case .malformedEncoding:
            self.init(.malformedRequest, "The body is not what its Content-Encoding says.")
        case .tooManyRequests:
            self.init(.tooManyRequests, "Too many requests wait for a worker.")
        case .stopping: self.init(.stopping, "The daemon is stopping.")
        case .outOfResources(let errno):
            self.init(
                .resourceExhausted, "The host is out of descriptors or memory: \(errno).",
                errno: errno.name)
        }
    }
}
