public import ControlPlane
public import HTTP
public import Logging
internal import JSON
internal import Linux
internal import Problems

/// A kept object's bytes on their way out.
typealias UploadedBytes = UploadedObject

/// The API: finds the route of a request, checks who asks and what is asked, runs the operation.
public final class Service: Application {
    let node: Node
    let log: Logger
    /// `0.1.0`.
    let version: String
    let access: Access
    let tickets = Tickets()
    let streams: OpenStreams
    /// Where a manifest's `object.path` points into; nil: paths are not allowed.
    let manifestObjectsDirectory: String?
    /// The server's, which is made after the service.
    let statistics: ServerStatistics
    let metrics = RequestMetrics(operations: routes.map(\.operation))
    /// The watched folder; nil where none is.
    let manifests: ManifestFolder?

    /// - Parameter ownUserID: of the daemon: that user is admin, as root is.
    public init(
        node: Node, version: String, rules: AccessRules, streamsPerCredential: Int,
        ownUserID: UInt32, manifestObjectsDirectory: String? = nil,
        manifests: ManifestFolder? = nil, statistics: ServerStatistics, log: Logger
    ) {
        self.manifests = manifests
        self.manifestObjectsDirectory = manifestObjectsDirectory
        self.statistics = statistics
        self.node = node
        self.version = version
        self.log = log
        access = Access(rules, node.tokens, tickets, ownUserID: ownUserID)
        streams = OpenStreams(limit: streamsPerCredential)
    }

    /// New rules from the next request on; streams of those whom they do not let in end.
    public func replace(_ rules: AccessRules) {
        access.replace(rules)
        shutOut { !access.stillReads($0) }
    }

    /// Certificates are valid by other authorities than before: who still has a valid one comes
    /// again with its cursor.
    public func endStreamsOfCertificates() { shutOut { $0.isByCertificate } }

    /// New tokens of the token file; streams of those that are gone end.
    public func replaceFixedTokens(_ tokens: [(name: String, role: Role, hash: String)]) {
        for name in node.tokens.replaceFixed(tokens) { shutOut(.token(name)) }
    }

    /// Takes back the tickets of a credential that opens nothing any more, and ends its streams.
    func shutOut(_ credential: Caller.Credential) { shutOut { $0.credential == credential } }

    private func shutOut(where isOver: (Caller) -> Bool) {
        tickets.drop(where: isOver)
        streams.end(where: isOver)
    }

    /// Threads that have been at one thing for longer: for a watchdog.
    public func stalled(afterSeconds limit: UInt64) -> [String] {
        let folder = manifests.map(\.stint)?.isLonger(thanSeconds: limit) == true
        return node.stalled(afterSeconds: limit)
            + (folder ? ["manifests has been at one thing for over \(limit) s"] : [])
    }

    /// Returns once the threads that events need have gone around: for a watchdog. Blocks for ever
    /// where one of them does.
    public func waitForThreads() { node.events.waitForThreads() }

    public func admit(_ head: RequestHead) -> Admission {
        do {
            return try admitted(head)
        } catch {
            noteDenied(error, head)
            return .refuse(answer(error, head))
        }
    }

    public func refuse(_ refusal: Refusal, requestID: String) -> Response {
        let headers: [(name: String, value: String)] =
            if case .unknownMethod = refusal {
                [(name: "Allow", value: Method.allCases.map(\.rawValue).joined(separator: ", "))]
            } else { [] }
        let problem = Problem(refusal)
        metrics.count(problem.type)
        return problem.response(requestID: requestID, headers: headers)
    }

    public func note(_ answer: AnswerNote) {
        metrics.count(
            operation: answer.tag, status: answer.status, nanoseconds: answer.nanoseconds)
        let isChange = answer.head.map { ![.get, .head, .options].contains($0.method) } ?? false
        let level: Logger.Level = isChange && answer.tag != nil ? .info : .debug
        guard log.logLevel <= level else { return }
        let operation = answer.tag.map { routes[$0].operation } ?? "none"
        log.log(
            level: level, "request",
            metadata: [
                "request_id": "\(answer.requestID)", "operation": "\(operation)",
                "method": "\(answer.head?.method.rawValue ?? "-")",
                "path": "\(answer.head?.rawPath ?? "-")", "status": "\(answer.status)",
                "duration_us": "\(answer.nanoseconds / 1000)", "peer": "\(answer.peer)",
            ])
    }

    private func admitted(_ head: RequestHead) throws(Problem) -> Admission {
        try CrossOrigin(access.rules).check(head)
        let (route, index, variables) = try route(of: head)
        if head.method == .options { return .refuse(allow(head, route)) }
        let caller = try caller(of: head, for: route)
        try checkReach(route, variables, caller)
        for parameter in head.query where !route.parameters.contains(parameter.name) {
            throw unknown(parameter.name, route)
        }
        if route.needsReady && !node.isReady {
            throw Problem(.notReady, "What is registered is still being adopted or loaded.")
        }
        let (sink, limit) = try bodyPlan(route, head)
        return .accept(
            Admission.Plan(body: sink, bodyLimit: limit, place: route.place, tag: index) {
                [self] request in
                run(
                    Call(
                        revision: node.revision, route: route, head: request.head,
                        variables: variables,
                        body: request.body, caller: caller))
            })
    }

    /// The route, its index in the table and the path's variables.
    private func route(of head: RequestHead) throws(Problem) -> (Route, Int, [String]) {
        let method = head.method == .head ? .get : head.method
        var others: [Route] = []
        for index in Route.indices(ofSegments: head.segments.count) {
            let route = routes[index]
            guard let variables = route.match(head.segments) else { continue }
            try checkSlashes(head, route)
            if route.method == method || method == .options { return (route, index, variables) }
            others.append(route)
        }
        try checkSlashes(head, nil)
        guard others.isEmpty else {
            var problem = Problem(
                .methodNotAllowed,
                "\(head.rawPath) takes \(Self.methods(of: others)), not \(head.method.rawValue).")
            problem.members["allow"] = .text(Self.methods(of: others))
            throw problem
        }
        throw Problem(
            .notFound, "There is nothing at \(head.rawPath).",
            hint: "GET /v1 lists what there is.")
    }

    /// A `%2F` is part of its segment and never divides one from another; some proxies think
    /// otherwise, so it may stand only where it means something: in the key of an entry.
    private func checkSlashes(_ head: RequestHead, _ route: Route?) throws(Problem) {
        let isKey = route?.segments.last == .variable("key")
        guard
            (isKey ? head.segments.dropLast() : head.segments[...]).contains(where: {
                $0.utf8.contains(UInt8(ascii: "/"))
            })
        else { return }
        throw Problem(
            .malformedRequest, "The path holds %2F, which may stand only in the key of an entry.")
    }

    private static func methods(of routes: [Route]) -> String {
        var methods = routes.map(\.method.rawValue)
        if methods.contains("GET") { methods.append("HEAD") }
        return methods.joined(separator: ", ")
    }

    private func allow(_ head: RequestHead, _ route: Route) -> Response {
        let all = routes.filter { $0.match(head.segments) != nil }
        return Response(
            status: 204,
            headers: [(name: "Allow", value: Self.methods(of: all) + ", OPTIONS")]
                + CrossOrigin(access.rules).headers(for: head))
    }

    private func unknown(_ name: String, _ route: Route) -> Problem {
        let known = route.parameters.sorted()
        return Problem(
            .unknownParameter,
            known.isEmpty
                ? "\"\(name)\" is not a query parameter here: there is none."
                : "\"\(name)\" is not a query parameter here: " + known.joined(separator: ", ")
                    + ".")
    }

    /// - Throws: `unauthenticated` where there is no credential, `forbidden` where its role is not
    ///   enough.
    private func caller(of head: RequestHead, for route: Route) throws(Problem) -> Caller {
        if route.role == .none { return Caller(.nobody, .none, actor: head.peer.text) }
        let takesTicket = route.parameters.contains("ticket")
        let caller = try access.caller(of: head, takesTicket: takesTicket)
        guard caller.role < route.role else { return caller }
        if caller.credential == .nobody {
            throw Problem(
                .unauthenticated,
                "\(route.operation) wants a credential: Authorization: Bearer apy_….")
        }
        throw Problem(
            .forbidden,
            "\(route.operation) wants the role \(route.role.rawValue), \(caller.actor) has "
                + "\(caller.role.rawValue).")
    }

    /// Attempts that were denied stand in the audit log too.
    private func noteDenied(_ problem: Problem, _ head: RequestHead) {
        guard [401, 403, 421].contains(problem.type.status) else { return }
        let caller: Caller?
        do { caller = try access.caller(of: head, takesTicket: false) } catch { caller = nil }
        let origin = ChangeOrigin(
            requestID: head.requestID, actor: caller?.actor ?? "unknown",
            action: head.method.rawValue, peer: head.peer.text)
        // The path without what may be a map's key.
        let path = head.segments.dropFirst(head.segments.first == "v1" ? 1 : 0).prefix(3)
        node.attempts.noteDenied(
            origin, subject: String(path.joined(separator: "/").prefix(200)),
            outcome: problem.type.code)
    }

    private func bodyPlan(_ route: Route, _ head: RequestHead) throws(Problem)
        -> (Admission.Plan.BodySink, Int)
    {
        let type = head.header("content-type").map { text in
            String(text.prefix { $0 != ";" && $0 != " " }).lowercased()
        }
        switch route.body {
        case .none: return (.none, 0)
        case .nothing:
            if hasBody(head) { try checkJSON(type, head.peer) }
            return (.memory, Call.nothingLimit)
        case .json(let limit):
            try checkJSON(type, head.peer)
            return (.memory, limit)
        case .optionalJSON(let limit):
            if hasBody(head) { try checkJSON(type, head.peer) }
            return (.memory, limit)
        case .jsonLines(let limit):
            if type == "application/x-ndjson" { return (.spool, limit) }
            try checkJSON(type, head.peer)
            return (.memory, limit)
        case .manifest(let limit, let yamlLimit):
            if Call.yamlTypes.contains(type ?? "") { return (.memory, yamlLimit) }
            try checkJSON(type, head.peer)
            return (.memory, limit)
        case .object(let limit, let jsonLimit):
            switch type {
            case "application/json" where jsonLimit != nil: return (.memory, jsonLimit ?? 0)
            case nil, "application/octet-stream", "application/x-elf", "application/x-object":
                return (.file, limit)
            case "application/x-www-form-urlencoded" where isLocal(head.peer):
                return (.file, limit)
            case let other?:
                throw Problem(
                    .unsupportedMediaType,
                    "Content-Type \(other) is not taken: send the ELF as "
                        + "application/octet-stream"
                        + (jsonLimit != nil ? ", or application/json." : "."))
            }
        }
    }

    private func hasBody(_ head: RequestHead) -> Bool {
        head.header("content-length") ?? "0" != "0" || head.header("transfer-encoding") != nil
    }

    /// `curl -d` says urlencoded whatever it sends. On the Unix socket no browser can be the
    /// sender, so it is taken for JSON there; elsewhere it would open the door for forms of other
    /// sites.
    private func checkJSON(_ type: String?, _ peer: Peer) throws(Problem) {
        switch type {
        case "application/json", "application/merge-patch+json": return
        case nil, "application/x-www-form-urlencoded":
            if isLocal(peer) { return }
            fallthrough
        default:
            throw Problem(
                .unsupportedMediaType,
                "Content-Type \(type ?? "(none)") is not taken: send application/json, as curl "
                    + "--json does."
            )
        }
    }

    private func isLocal(_ peer: Peer) -> Bool {
        if case .unix = peer { true } else { false }
    }

    private func run(_ call: Call) -> Response {
        do {
            try checkAccept(call)
            try call.checkNothing()
            let answer = try call.caller.scope.whileAsked { () throws(Problem) in
                try call.route.handler(self, call)
            }
            let response = try self.answer(answer, call)
            note("ok", call)
            return response
        } catch {
            note(error.type.code, call)
            return answer(error, call.head)
        }
    }

    /// A change of a map's entries or variables, and how it came out; never a key or a value.
    private func note(_ outcome: String, _ call: Call) {
        guard call.route.isNoted else { return }
        // A parameter that is wrong was refused: then it was no rehearsal.
        let isDryRun = (try? call.isDryRun) ?? false
        if isDryRun && outcome == "ok" { return }
        let name = call.variables.prefix(2).joined(separator: "/")
        node.attempts.note(
            call.origin, subject: "\(call.route.collection)/\(name)", outcome: outcome)
    }

    private func checkAccept(_ call: Call) throws(Problem) {
        // Most clients send */*.
        guard call.route.media == .json, let accept = call.head.header("accept"), accept != "*/*"
        else { return }
        let ranges = accept.split(separator: ",").map { part in
            part.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        }
        let known = ["*/*", "application/*", "application/json", "application/problem+json"]
        guard ranges.isEmpty || ranges.contains(where: known.contains) else {
            throw Problem(
                .notAcceptable, "Accept: \(accept) leaves nothing: this is application/json.")
        }
    }

    private func answer(_ answer: Answer, _ call: Call) throws(Problem) -> Response {
        var response = Response(status: answer.status, headers: answer.headers)
        switch answer.body {
        case .none: break
        case .json(let text):
            response.headers.append((name: "Content-Type", value: "application/json"))
            response.body = .bytes(text)
        case .object(let object):
            response.headers.append((name: "Content-Type", value: "application/octet-stream"))
            response.body = .file(object.file, size: object.size)
        case .text(let text):
            response.headers.append((name: "Content-Type", value: "text/plain; charset=utf-8"))
            response.body = .file(text.file, size: text.sizeBytes)
        case .bytes(let bytes, let type):
            response.headers.append((name: "Content-Type", value: type))
            response.body = .bytes(bytes)
        case .stream(let stream, let type):
            response.headers.append((name: "Content-Type", value: type))
            response.body = .stream(try streams.guarded(stream, call.caller))
            // Shut out between its coming in and now: who did that has seen no stream of it.
            if !access.stillReads(call.caller) { streams.end(call.caller.credential) }
        }
        response.headers += CrossOrigin(access.rules).headers(for: call.head)
        return response
    }

    private func answer(_ problem: Problem, _ head: RequestHead) -> Response {
        var headers: [(name: String, value: String)] = []
        var shown = problem
        if case .text(let methods)? = shown.members.removeValue(forKey: "allow") {
            headers.append((name: "Allow", value: methods))
        }
        if problem.type.status == 401 {
            let isWrong = head.header("authorization") != nil
            headers.append(
                (
                    name: "WWW-Authenticate",
                    value: "Bearer realm=\"apiary\"" + (isWrong ? ", error=\"invalid_token\"" : "")
                ))
        }
        headers += CrossOrigin(access.rules).headers(for: head)
        log.log(
            level: problem.type.isTroubleHere ? .error : .debug, "\(problem.type.code)",
            metadata: [
                "request_id": "\(head.requestID)", "path": "\(head.rawPath)",
                "detail": "\(problem.detail)", "cause": "\(problem.cause.map { "\($0)" } ?? "-")",
            ])
        metrics.count(problem.type)
        return shown.response(requestID: head.requestID, headers: headers)
    }
}

extension ProblemType {
    /// Whether it tells of this daemon or its host, and not of a request or of a start that is
    /// still going on: only that is an error in the log.
    fileprivate var isTroubleHere: Bool {
        [.internalError, .resourceExhausted, .noSpace, .storageRefused].contains(self)
    }
}
