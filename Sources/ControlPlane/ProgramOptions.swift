public import JSON
public import Loading
internal import Problems

/// How a program is to be loaded: what `PUT /v1/programs/{name}` takes beside the object.
public struct ProgramOptions: Sendable, Hashable {
    public enum Attach: String, Sendable, CaseIterable { case none, auto }

    public struct MapOptions: Sendable, Hashable {
        public var maxEntries: UInt32?
        /// A map to use instead of a new one.
        public var reuse: Reuse?
        /// Its contents are kept over a reboot.
        public var isPersistent = false

        public init(maxEntries: UInt32? = nil, reuse: Reuse? = nil) {
            self.maxEntries = maxEntries
            self.reuse = reuse
        }
    }

    public enum Reuse: Sendable, Hashable {
        /// The map of this name that the program had before; a new one where it had none.
        case keep
        case map(program: String, map: String)

        /// `keep`, or `program/map`; nil for every other text.
        public init?(_ text: String) {
            if text == "keep" {
                self = .keep
                return
            }
            guard let slash = text.firstIndex(of: "/") else { return nil }
            let map = text[text.index(after: slash)...]
            guard slash > text.startIndex, !map.isEmpty else { return nil }
            self = .map(program: String(text[..<slash]), map: String(map))
        }

        public var text: String {
            switch self {
            case .keep: "keep"
            case .map(let program, let map): program + "/" + map
            }
        }
    }

    /// Only these functions; `nil`: all.
    public var onlyFunctions: [String]?
    /// function -> what it attaches to, where the kernel fixes that at load.
    public var targets: [String: String] = [:]
    public var globals = JSONObject()
    public var maps: [String: MapOptions] = [:]
    public var attach = Attach.none
    /// ring -> what its records are.
    public var events: [String: EventOptions] = [:]
    public var labels: [String: String] = [:]
    public var verifierLog = LoadRequest.VerifierLog.brief

    public init() {}

    /// All that decides how the kernel's side comes out, in one order: equal loads, equal texts.
    /// Labels and the verifier's log are not among it.
    var canonicalText: String {
        var document = JSONObject()
        document["functions"] = .object(functionsDocument)
        document["globals"] = .object(sorted(globals))
        var mapsDocument = JSONObject()
        for (name, map) in maps.sorted(by: { $0.key < $1.key }) {
            var options = JSONObject()
            options["max_entries"] = map.maxEntries.map { JSONValue($0) }
            options["reuse"] = map.reuse.map { .string($0.text) }
            if map.isPersistent { options["persist"] = true }
            mapsDocument[name] = .object(options)
        }
        document["maps"] = .object(mapsDocument)
        document["attach"] = .string(attach.rawValue)
        var eventsDocument = JSONObject()
        for (name, options) in events.sorted(by: { $0.key < $1.key }) {
            eventsDocument[name] = .object(options.document)
        }
        document["events"] = .object(eventsDocument)
        return String(decoding: JSONValue.object(document).serialized(), as: UTF8.self)
    }

    /// The programs that this one is loaded upon: a target `program/function`, a map of another's.
    var otherPrograms: Set<String> {
        let targets = targets.values.compactMap { target in
            target.firstIndex(of: "/").map { String(target[..<$0]) }
        }
        let maps = maps.values.compactMap { options -> String? in
            guard case .map(let program, _)? = options.reuse else { return nil }
            return program
        }
        return Set(targets + maps)
    }

    private var functionsDocument: JSONObject {
        var document = JSONObject()
        if let onlyFunctions {
            document["only"] = .array(onlyFunctions.sorted().map { .string($0) })
        }
        var targetsDocument = JSONObject()
        for (function, target) in targets.sorted(by: { $0.key < $1.key }) {
            targetsDocument[function] = .string(target)
        }
        document["targets"] = .object(targetsDocument)
        return document
    }

    private func sorted(_ object: JSONObject) -> JSONObject {
        var result = JSONObject()
        for member in object.members.sorted(by: { $0.name < $1.name }) {
            result[member.name] = member.value
        }
        return result
    }

    /// Reads `canonicalText` back, for a load after a reboot.
    init(canonicalText text: String) throws(Problem) {
        let document: JSONValue
        do { document = try JSONValue.parse(text) } catch {
            throw Problem(
                .internalError, "The registry's options of a program are not readable.",
                cause: error)
        }
        onlyFunctions = document["functions"]?["only"]?.array?.compactMap(\.string)
        for member in document["functions"]?["targets"]?.object?.members ?? [] {
            targets[member.name] = member.value.string
        }
        globals = document["globals"]?.object ?? JSONObject()
        for member in document["maps"]?.object?.members ?? [] {
            maps[member.name] = MapOptions(
                maxEntries: member.value["max_entries"]?.uint64.flatMap { UInt32(exactly: $0) },
                reuse: member.value["reuse"]?.string.flatMap(Reuse.init))
            maps[member.name]?.isPersistent = member.value["persist"]?.bool ?? false
        }
        attach = document["attach"]?.string.flatMap(Attach.init(rawValue:)) ?? .none
        for member in document["events"]?.object?.members ?? [] {
            events[member.name] = EventOptions(document: member.value)
        }
    }

    func request(pinDirectory: String?) -> LoadRequest {
        var request = LoadRequest()
        request.pinDirectory = pinDirectory
        request.globals = globals
        request.onlyFunctions = onlyFunctions
        request.targets = targets
        request.maxEntries = maps.compactMapValues(\.maxEntries)
        request.verifierLog = verifierLog
        return request
    }
}
