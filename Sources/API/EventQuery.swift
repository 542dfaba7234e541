internal import BTF
internal import ControlPlane
internal import Events
internal import HTTP
internal import JSON
internal import Linux
internal import Problems

/// Reads the parameters of `GET /v1/events`.
struct EventQuery {
    private(set) var query = StreamQuery()
    let mediaType: String

    /// Waits longer than this are refused: proxies give up earlier.
    private static let mostWaitNanoseconds: UInt64 = 300_000_000_000
    private static let mostFields = 256

    static let parameters = [
        "program", "map", "type", "filter", "since", "until", "follow", "wait", "limit", "records",
        "fields", "sample", "resolve", "format", "int64", "source",
        "ticket",
    ]

    init(_ call: Call) throws(Problem) {
        query.program = try call.parameter("program")
        query.map = try call.parameter("map")
        query.type = try call.parameter("type")
        let (format, type) = try Self.format(call)
        query.format = format
        mediaType = type
        query.int64 = try call.int64
        query.limit = try call.number("limit", in: 1...Int.max)
        if let text = try call.parameter("records") {
            guard let records = StreamQuery.Records(rawValue: text) else {
                throw Problem(
                    .invalidParameter, "records=\(text) is not allowed: all, events, invalid.")
            }
            query.records = records
        }
        try readSource(call)
        try readLength(call)
        try readSelection(call)
    }

    private mutating func readSource(_ call: Call) throws(Problem) {
        switch try call.parameter("source") {
        case nil: return
        case "trace_pipe":
            guard call.caller.role >= .admin, call.caller.scope.isAll else {
                throw Problem(
                    .forbidden,
                    "source=trace_pipe shows what all programs of the host print: it wants the "
                        + "role admin without a scope, this caller has "
                        + "\(call.caller.role.rawValue).")
            }
            guard query.program == nil, query.map == nil else {
                throw Problem(
                    .invalidParameter,
                    "source=trace_pipe is of the whole host: leave program and map out.")
            }
            query.isTracePipe = true
        case let other?:
            throw Problem(.invalidParameter, "source=\(other) is not allowed: trace_pipe.")
        }
    }

    /// Where the answer begins and where it ends.
    private mutating func readLength(_ call: Call) throws(Problem) {
        let wait = try call.parameter("wait")
        let isFinite = query.format == .csv || wait != nil
        query.follow = try call.flag("follow", default: !isFinite)
        if query.follow && isFinite {
            throw Problem(
                .invalidParameter,
                "follow=true does not go with wait or format=csv, whose answers are finite.")
        }
        if let text = wait {
            guard let wait = Self.duration(text), wait <= Self.mostWaitNanoseconds else {
                throw Problem(
                    .invalidParameter,
                    "wait=\(text) is not allowed: a duration of up to 300s, such as 30s or 500ms.")
            }
            query.waitNanoseconds = wait
        }
        // `since` wins: a client that says both means the one that it wrote itself.
        switch try call.parameter("since") ?? call.head.header("last-event-id") {
        case nil: query.since = query.follow ? .now : .oldest
        case "now": query.since = .now
        case "oldest": query.since = .oldest
        case let cursor?: query.since = .cursor(cursor)
        }
        if let text = try call.parameter("until") {
            if text == "now" {
                query.untilNanoseconds = Clock.realtimeNanoseconds()
            } else if let time = Timestamp(parsing: text) {
                query.untilNanoseconds = time.nanoseconds
            } else {
                throw Problem(
                    .invalidParameter,
                    "until=\(text) is not allowed: now, or a time such as 2026-01-31T12:00:00Z.")
            }
        }
    }

    /// `30s`, `500ms`, `2m`; seconds without a unit.
    static func duration(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits), number <= 1_000_000_000 else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": return number * 1_000_000
        case "", "s": return number * 1_000_000_000
        case "m": return number * 60_000_000_000
        default: return nil
        }
    }

    /// Which records, and what of them.
    private mutating func readSelection(_ call: Call) throws(Problem) {
        if let text = try call.parameter("filter") {
            do { query.filter = try Filter(parsing: text) } catch {
                throw Self.problem(error, text)
            }
        }
        if let text = try call.parameter("fields") { query.fields = try Self.fields(text) }
        if let text = try call.parameter("sample") {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = UInt64(parts[0]), let of = UInt64(parts[1]),
                let sample = StreamQuery.Sample(count, of: of)
            else {
                throw Problem(
                    .invalidParameter, "sample=\(text) is not allowed: a fraction such as 1/100.")
            }
            query.sample = sample
        }
        for word in try call.parameter("resolve")?.split(separator: ",") ?? [] {
            switch word {
            case "symbols": query.resolves.insert(.symbols)
            case "cgroups": query.resolves.insert(.cgroups)
            case "users": query.resolves.insert(.users)
            case "all": query.resolves.formUnion([.symbols, .cgroups, .users])
            default:
                throw Problem(
                    .invalidParameter,
                    "resolve=\(word) is not allowed: symbols, cgroups, users, all.")
            }
        }
    }

    private static func fields(_ text: String) throws(Problem) -> [String] {
        let fields = text.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count <= mostFields else {
            throw Problem(
                .invalidParameter, "fields=\(text) is not allowed: up to \(mostFields) members.")
        }
        for field in fields {
            do { try MemberPath.check(String(field)) } catch {
                let before = text.utf8.distance(from: text.startIndex, to: field.startIndex)
                throw problem(
                    fields: text, "is not understood", error.reason, before + error.offset + 1)
            }
        }
        return fields.map(String.init)
    }

    /// - Parameter position: in the whole list, in bytes from 1.
    static func problem(fields text: String, _ what: String, _ reason: String, _ position: Int)
        -> Problem
    {
        var problem = Problem(
            .invalidParameter, "fields=\(text) \(what) at byte \(position): \(reason).")
        problem.members["position"] = .number(Int64(position))
        return problem
    }

    static func problem(_ error: FilterError, _ text: String) -> Problem {
        var problem = Problem(
            .invalidFilter,
            "The filter is not understood at byte \(error.position): \(error.reason).")
        problem.members["position"] = .number(Int64(error.position))
        problem.members["filter"] = .text(text)
        return problem
    }

    /// `?format=`, else what `Accept` wants most, of equals what it names first, else NDJSON.
    private static func format(_ call: Call) throws(Problem) -> (StreamFormat, String) {
        let formats: [(name: String, type: String, format: StreamFormat)] = [
            ("ndjson", "application/x-ndjson", .ndjson), ("sse", "text/event-stream", .sse),
            ("json-seq", "application/json-seq", .jsonSequence), ("csv", "text/csv", .csv),
        ]
        if let name = try call.parameter("format") {
            guard let found = formats.first(where: { $0.name == name }) else {
                throw Problem(
                    .invalidParameter, "format=\(name) is not allowed: ndjson, sse, json-seq, csv.")
            }
            return (found.format, found.type)
        }
        guard let accept = call.head.header("accept") else {
            return (.ndjson, formats[0].type)
        }
        for range in ranges(accept) {
            if let found = formats.first(where: { $0.type == range }) {
                return (found.format, found.type)
            }
            if ["*/*", "application/*", "application/json", "application/ndjson"].contains(range) {
                return (.ndjson, formats[0].type)
            }
            if range == "text/*" { return (.sse, formats[1].type) }
        }
        throw Problem(
            .notAcceptable,
            "Accept: \(accept) leaves nothing: application/x-ndjson, text/event-stream, "
                + "application/json-seq, text/csv.")
    }

    /// The media ranges of an `Accept`, the most wanted first; those with `q=0` left out.
    private static func ranges(_ accept: String) -> [String] {
        let ranges = accept.split(separator: ",").map { part in
            let words = part.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
            let quality = words.dropFirst().first { $0.hasPrefix("q=") }
            return (name: words.first ?? "", q: quality.flatMap { Double($0.dropFirst(2)) } ?? 1)
        }
        // A sort that keeps the order of equals: the position decides between them.
        return ranges.enumerated().filter { $0.element.q > 0 }
            .sorted { ($1.element.q, $0.offset) < ($0.element.q, $1.offset) }
            .map(\.element.name)
    }
}
