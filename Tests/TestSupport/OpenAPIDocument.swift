public import JSON

/// The contract, as the tests hold answers against it.
public struct OpenAPIDocument: Sendable {
    public struct Operation: Sendable {
        public let method: String
        /// As in the contract: `/v1/programs/{name}`.
        public let path: String
        public let id: String
        /// `none`, `read`, `operate` or `admin`.
        public let role: String
        /// Codes that it can answer with, the common ones included.
        public let problems: Set<String>
        /// By status, `default` included; references are resolved.
        public let responses: [String: JSONValue]
        /// Names of the query parameters.
        public let queryParameters: Set<String>
        /// The schema of the JSON body, where it takes one.
        public let requestSchema: JSONValue?
    }

    public let root: JSONValue
    public let operations: [Operation]
    public let validator: SchemaValidator
    /// Status by code.
    public let problemStatuses: [String: Int]

    /// `openapi/apiary.json`, read once.
    public static let contract: OpenAPIDocument = {
        do {
            return OpenAPIDocument(try JSONValue.parse(Repository.text("openapi/apiary.json")))
        } catch {
            preconditionFailure("openapi/apiary.json: \(error)")
        }
    }()

    public init(_ root: JSONValue) {
        self.root = root
        validator = SchemaValidator(root: root)
        let statuses = root.at("/components/schemas/ProblemCode/x-status")?.object
        problemStatuses = Dictionary(
            uniqueKeysWithValues: (statuses ?? JSONObject()).members.compactMap { member in
                member.value.int.map { (member.name, $0) }
            })
        let validator = validator
        func resolved(_ value: JSONValue) -> JSONValue {
            value["$ref"]?.string.flatMap(validator.resolve) ?? value
        }
        let common = (root["x-common-problems"]?.array ?? []).compactMap(\.string)
        var operations: [Operation] = []
        for path in (root["paths"]?.object ?? JSONObject()).members {
            let shared = path.value["parameters"]?.array ?? []
            for member in path.value.object ?? JSONObject() where member.name != "parameters" {
                let own = (member.value["x-problems"]?.array ?? []).compactMap(\.string)
                let parameters = (shared + (member.value["parameters"]?.array ?? [])).map(resolved)
                let responses = (member.value["responses"]?.object ?? JSONObject()).members
                operations.append(
                    Operation(
                        method: member.name.uppercased(), path: path.name,
                        id: member.value["operationId"]?.string ?? "",
                        role: member.value["x-role"]?.string ?? "",
                        problems: Set(common + own),
                        responses: Dictionary(
                            uniqueKeysWithValues: responses.map { ($0.name, resolved($0.value)) }),
                        queryParameters: Set(
                            parameters.filter { $0["in"] == "query" }
                                .compactMap { $0["name"]?.string }),
                        requestSchema: member.value.at(
                            "/requestBody/content/application~1json/schema")))
            }
        }
        self.operations = operations
    }

    /// The operation that a request reaches; HEAD is GET. Literal segments win over parameters.
    /// - Parameter path: without the query, as sent.
    public func operation(_ method: String, _ path: String) -> Operation? {
        let wanted = method == "HEAD" ? "GET" : method
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        let matching = operations.filter { operation in
            let template = operation.path.split(separator: "/", omittingEmptySubsequences: false)
            return operation.method == wanted && template.count == segments.count
                && zip(template, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        return matching.min { parameters(in: $0.path) < parameters(in: $1.path) }
    }

    public func operation(id: String) -> Operation? { operations.first { $0.id == id } }

    private func parameters(in template: String) -> Int { template.count { $0 == "{" } }

    /// What in an answer is not as the contract says. `operation` is nil where the request reaches
    /// none: then the answer must be a problem.
    public func violations(
        of answer: Answer, to operation: Operation?, isHead: Bool = false
    ) -> [Violation] {
        let response =
            operation.map { $0.responses["\(answer.status)"] ?? $0.responses["default"] }
            ?? root.at("/components/responses/Problem")
        guard let response else {
            return [Violation(.root, "status \(answer.status) is not in the contract")]
        }
        let isListed = operation?.responses["\(answer.status)"] != nil
        if answer.status < 400 && !isListed {
            return [Violation(.root, "status \(answer.status) is not in the contract")]
        }
        var found = headerViolations(of: answer, response)
        if !isHead { found += bodyViolations(of: answer, response, operation) }
        return found
    }

    private func headerViolations(of answer: Answer, _ response: JSONValue) -> [Violation] {
        var found: [Violation] = []
        for member in response["headers"]?.object ?? JSONObject() {
            let header = member.value["$ref"]?.string.flatMap(validator.resolve) ?? member.value
            let place = JSONPointer.root.appending("headers").appending(member.name)
            if let value = answer.header(member.name) {
                let schema = header["schema"] ?? true
                found += validator.violations(of: .string(value), against: schema, at: place)
            } else if header["required"] == true {
                found.append(Violation(place, "the header is missing"))
            }
        }
        if answer.header("Cache-Control") != "no-store" {
            found.append(Violation(.root, "Cache-Control is not no-store"))
        }
        for (status, name) in [(405, "Allow"), (429, "Retry-After"), (503, "Retry-After")]
        where answer.status == status && answer.header(name) == nil {
            found.append(Violation(.root, "\(status) has no \(name) header"))
        }
        return found
    }

    private func bodyViolations(
        of answer: Answer, _ response: JSONValue, _ operation: Operation?
    ) -> [Violation] {
        guard let content = response["content"]?.object, !content.isEmpty else {
            if answer.body.isEmpty { return [] }
            return [Violation(.root, "a body of \(answer.body.count) bytes where there is none")]
        }
        let type = answer.mediaType
        guard let schema = content[type]?["schema"] else {
            let allowed = content.members.map(\.name).joined(separator: ", ")
            return [Violation(.root, "Content-Type is \"\(type)\", the contract has \(allowed)")]
        }
        // A body in gzip is the business of the tests that ask for it.
        if answer.header("Content-Encoding") != nil { return [] }
        switch type {
        case "application/x-ndjson":
            return answer.text.split(separator: "\n").enumerated().flatMap { index, line in
                violations(ofLine: String(line), against: schema)
                    .map { Violation($0.pointer, "line \(index + 1): \($0.reason)") }
            }
        case _ where type.hasSuffix("json"):
            return documentViolations(of: answer, schema, operation)
        default: return []
        }
    }

    private func documentViolations(
        of answer: Answer, _ schema: JSONValue, _ operation: Operation?
    ) -> [Violation] {
        let document: JSONValue
        do {
            document = try JSONValue.parse(answer.body.span)
        } catch {
            return [Violation(error.pointer, "the body is not JSON: \(error.reason)")]
        }
        var found = validator.violations(of: document, against: schema)
        guard answer.mediaType == "application/problem+json" else { return found }
        if document["request_id"]?.string != answer.header("X-Request-Id") {
            found.append(Violation(.root, "request_id is not the header's"))
        }
        let code = document["code"]?.string ?? ""
        if problemStatuses[code] != answer.status {
            found.append(Violation(.root, "\(code) came with status \(answer.status)"))
        }
        if document["status"]?.int != answer.status {
            found.append(Violation(.root, "the member status is not \(answer.status)"))
        }
        if document["type"]?.string != "/problems/\(code)" {
            found.append(Violation(.root, "type does not name /problems/\(code)"))
        }
        if let operation, !operation.problems.contains(code) {
            found.append(Violation(.root, "\(operation.id) does not list the problem \(code)"))
        }
        return found
    }

    /// What is wrong with one line of a stream.
    public func violations(ofLine line: String, against schema: JSONValue) -> [Violation] {
        do {
            return validator.violations(of: try JSONValue.parse(line), against: schema)
        } catch {
            return [Violation(error.pointer, "not JSON: \(error.reason): \(line.prefix(200))")]
        }
    }
}
