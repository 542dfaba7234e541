public import JSON

/// The document that a loader child finds behind its descriptor 4.
public struct LoaderTask: Sendable, Hashable {
    public enum Work: Sendable, Hashable {
        /// Descriptor 3 is the object.
        case load(LoadRequest)
        /// Descriptor 3 is an ELF executable or library.
        case symbols([String])
        /// Likewise; the places of one USDT probe.
        case usdt(provider: String, name: String)
        /// Descriptor 3 is a struct_ops map: link it, and pin the link there.
        case structOps(pin: String)
        /// Likewise; functions whose names match a pattern of a shell's kind, so many at most.
        case matching(String, atMost: Int)
    }

    public var work: Work
    public var limits: LoaderLimits

    /// What both sides must agree on; the two executables are installed together, but not in one
    /// moment.
    private static let version = 3

    public init(_ work: Work, limits: LoaderLimits) {
        self.work = work
        self.limits = limits
    }

    public var json: JSONValue {
        var object = JSONObject()
        object["version"] = JSONValue(Self.version)
        object["address_space_bytes"] = JSONValue(limits.addressSpaceBytes)
        object["cpu_seconds"] = JSONValue(limits.cpuSeconds)
        switch work {
        case .load(let request): object["load"] = request.json
        case .symbols(let names): object["symbols"] = .array(names.map { .string($0) })
        case .structOps(let pin): object["struct_ops"] = .string(pin)
        case .usdt(let provider, let name):
            object["usdt"] = ["provider": .string(provider), "name": .string(name)]
        case .matching(let pattern, let most):
            object["matching"] = .string(pattern)
            object["at_most"] = JSONValue(most)
        }
        return .object(object)
    }

    /// `nil` where the document is not a task of this version.
    public init?(json: JSONValue) {
        guard json["version"]?.int == Self.version,
            let addressSpaceBytes = json["address_space_bytes"]?.int,
            let cpuSeconds = json["cpu_seconds"]?.int
        else { return nil }
        limits = LoaderLimits()
        limits.addressSpaceBytes = addressSpaceBytes
        limits.cpuSeconds = cpuSeconds
        if let request = json["load"].flatMap(LoadRequest.init(json:)) {
            work = .load(request)
        } else if let names = json["symbols"]?.strings {
            work = .symbols(names)
        } else if let pin = json["struct_ops"]?.string {
            work = .structOps(pin: pin)
        } else if let usdt = json["usdt"], let provider = usdt["provider"]?.string,
            let name = usdt["name"]?.string
        {
            work = .usdt(provider: provider, name: name)
        } else if let pattern = json["matching"]?.string, let most = json["at_most"]?.int {
            work = .matching(pattern, atMost: most)
        } else {
            return nil
        }
    }
}

/// The document that a loader child writes to its standard output.
public enum LoaderAnswer: Sendable, Hashable {
    case report(LoadReport)
    case offsets([UInt64])
    case sites([USDTSite])
    case linked
    case failure(LoadFailure)

    public var json: JSONValue {
        switch self {
        case .report(let report): ["report": report.json]
        case .offsets(let offsets): ["offsets": .array(offsets.map { JSONValue($0) })]
        case .sites(let sites): ["sites": .array(sites.map(\.json))]
        case .linked: ["linked": true]
        case .failure(let failure): ["failure": failure.json]
        }
    }

    /// `nil` where the document is not an answer.
    public init?(json: JSONValue) {
        if let report = json["report"].flatMap(LoadReport.init(json:)) {
            self = .report(report)
        } else if let offsets = json["offsets"]?.list(of: \.uint64) {
            self = .offsets(offsets)
        } else if let sites = json["sites"]?.list(of: { USDTSite(json: $0) }) {
            self = .sites(sites)
        } else if json["linked"]?.bool == true {
            self = .linked
        } else if let failure = json["failure"].flatMap(LoadFailure.init(json:)) {
            self = .failure(failure)
        } else {
            return nil
        }
    }
}
