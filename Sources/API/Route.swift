internal import ControlPlane
internal import HTTP
internal import Problems

/// One operation: a row of the table in `Routes.swift`.
final class Route: Sendable {
    /// What a request may carry.
    enum Body: Sendable, Hashable {
        case none
        /// Nothing, or the empty JSON object that some clients send where there is nothing to say.
        case nothing
        /// A JSON document of at most so many bytes.
        case json(limit: Int)
        /// The same, or nothing at all.
        case optionalJSON(limit: Int)
        /// A JSON document, or with `application/x-ndjson` lines of them.
        case jsonLines(limit: Int)
        /// An ELF file as it is, or with `application/json`, where that has a limit, a document
        /// that holds or names one.
        case object(limit: Int, jsonLimit: Int?)
        /// A JSON or, with `application/yaml`, a YAML document.
        case manifest(limit: Int, yamlLimit: Int)
    }

    /// What the answer is where it is no problem.
    enum Media: Sendable, Hashable {
        /// application/json: what an `Accept` without it is held against.
        case json
        /// The handler looks at `Accept` itself, or the answer is of one kind whatever it says.
        case own
    }

    typealias Handler = @Sendable (Service, Call) throws(Problem) -> Answer

    let method: Method
    let template: String
    let segments: [Segment]
    private let variablePlaces: [Int]
    /// As in the contract.
    let operation: String
    let role: Role
    let reach: Reach
    let body: Body
    let media: Media
    /// Whether it changes something that leaves no row of its own in the registry, so that the
    /// service itself notes it for the audit log.
    let isNoted: Bool
    let place: Admission.Plan.Place
    /// The query parameters that it takes; every other is refused.
    let parameters: Set<String>
    /// False for what answers while the daemon still reconciles.
    let needsReady: Bool
    let handler: Handler

    enum Segment: Sendable, Hashable {
        case literal(String)
        case variable(String)
    }

    init(
        _ method: Method, _ template: String, _ operation: String, _ role: Role,
        _ handler: @escaping Handler, _ place: Admission.Plan.Place = .quick,
        takes parameters: [String] = [], body: Body = .none, gives media: Media = .json,
        noted: Bool = false, reach: Reach? = nil, needsReady: Bool = true
    ) {
        self.method = method
        self.template = template
        let segments: [Segment] = template.split(separator: "/").map { part in
            part.hasPrefix("{")
                ? .variable(String(part.dropFirst().dropLast())) : .literal(String(part))
        }
        self.segments = segments
        variablePlaces = segments.indices.filter { index in
            if case .variable = segments[index] { true } else { false }
        }
        self.operation = operation
        self.role = role
        self.reach = reach ?? Reach(of: template)
        self.body = body
        self.media = media
        isNoted = noted
        self.place = place
        self.parameters = Set(parameters)
        self.needsReady = needsReady
        self.handler = handler
    }

    /// What the path begins with after the version: `programs`, `maps`.
    var collection: String {
        guard segments.count > 1, case .literal(let name) = segments[1] else { return "" }
        return name
    }

    private static let bySize = Dictionary(grouping: routes.indices) { routes[$0].segments.count }

    /// Where in the table the routes are whose paths have so many segments.
    static func indices(ofSegments count: Int) -> [Int] { bySize[count] ?? [] }

    /// The path's variables where the path is this route's; nil where it is not.
    func match(_ path: [String]) -> [String]? {
        guard path.count == segments.count else { return nil }
        for index in path.indices {
            if case .literal(let text) = segments[index], path[index] != text { return nil }
        }
        return variablePlaces.map { path[$0] }
    }
}

/// What an operation answers; the service adds the request id and turns it into HTTP.
struct Answer: Sendable {
    enum Body: Sendable {
        case none
        /// A document, with a newline after it.
        case json([UInt8])
        case object(UploadedBytes)
        /// text/plain.
        case text(ProbeOutput)
        case bytes([UInt8], type: String)
        case stream(any ResponseStream, type: String)
    }
    var status = 200
    var headers: [(name: String, value: String)] = []
    var body = Body.none
}
