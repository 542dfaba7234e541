internal import Loading

/// The table of kinds, in the order of the documentation.
public enum AttachKinds {
    static let all: [any AttachKind] = [
        KprobeKind(isReturn: false), KprobeKind(isReturn: true), KprobeMultiKind(),
        SystemCallKind(isReturn: false), SystemCallKind(isReturn: true),
        UprobeKind(isReturn: false), UprobeKind(isReturn: true), UprobeMultiKind(),
        UserStaticKind(),
        TracepointKind(), RawTracepointKind(),
        TracingKind.tpBTF, TracingKind.fentry, TracingKind.fexit, TracingKind.fmodRet,
        TracingKind.lsm,
        PerfEventKind(), IteratorKind(),
        XDPKind(), TCXKind(), TrafficControlKind(), NetkitKind(), CgroupKind(),
        NamespaceKind.skLookup, NamespaceKind.flowDissector,
        SocketMapKind.skSkb, SocketMapKind.skMsg, NetfilterKind(),
        ReplacementKind(), StructOpsKind(),
    ]

    /// The names, as the contract lists them.
    public static let names = all.map(\.name)

    /// What a document of a kind takes beside `kind`; none of a name that is no kind's.
    public static func members(of name: String) -> [String] {
        named(name)?.members.map(\.name) ?? []
    }

    static func named(_ name: String) -> (any AttachKind)? { all.first { $0.name == name } }

    /// Kinds as which a function can be attached.
    static func fitting(_ function: LoadReport.Function) -> [any AttachKind] {
        all.filter { $0.fits(function) }
    }
}
