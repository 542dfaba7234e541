internal import Glibc
internal import JSON
internal import Synchronization
public import Testing

extension Trait where Self == ConditionTrait {
    /// Loading programs, mounting a bpffs and reading pins need root.
    public static var requiresRoot: Self {
        .enabled("needs root: run make test as root") { geteuid() == 0 }
    }

    /// Skips where `GET /v1/host` says that the host cannot attach this kind, with its reason on
    /// standard error. Where it could not tell, the test runs.
    public static func needs(_ kind: HostAbility) -> Self {
        .enabled("the host lacks what the test needs: see GET /v1/host") {
            guard geteuid() == 0, let missing = kind.missing() else { return geteuid() == 0 }
            print("skipped: this host has no \(kind.name): \(missing)")
            return false
        }
    }
}

/// Something that `GET /v1/host` tells about.
public struct HostAbility: Sendable, ExpressibleByStringLiteral {
    let name: String
    let list: String
    let member: String

    /// An attach kind, by the API's name.
    public init(stringLiteral name: String) {
        self.init(name: name, list: "attach_kinds", member: "kind")
    }

    private init(name: String, list: String, member: String) {
        self.name = name
        self.list = list
        self.member = member
    }

    public static let tracepoint: Self = "tracepoint"
    public static let rawTracepoint: Self = "raw_tracepoint"
    public static let tpBTF: Self = "tp_btf"
    public static let uprobe: Self = "uprobe"
    public static let uretprobe: Self = "uretprobe"

    /// A map type, by bpftool's name.
    public static func map(_ type: String) -> Self {
        HostAbility(name: type, list: "map_types", member: "type")
    }

    /// The host's reason; nil where it has it or could not tell. A daemon that does not start is no
    /// reason to skip: the test then fails, and says why.
    public func missing() -> String? {
        let host = Self.host.withLock { known in
            if let known { return known }
            let asked = Self.ask()
            known = asked
            return asked
        }
        let row = host[list]?.array?.first { $0[member]?.string == name }
        guard let row, row["available"]?.bool == false else { return nil }
        return [row["reason"]?.string, row["errno"]?.string, row["needs"]?.string]
            .compactMap(\.self).joined(separator: ", ")
    }

    private static let host = Mutex<JSONValue?>(nil)

    private static func ask() -> JSONValue {
        do { return try TestDaemon().curl("GET /v1/host").json } catch {
            print("GET /v1/host: \(error)")
            return .null
        }
    }
}
