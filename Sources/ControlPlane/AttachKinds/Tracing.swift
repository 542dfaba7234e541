internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// Kinds whose target the kernel fixes at load: the document can only repeat it.
struct TracingKind: AttachKind {
    let name: String
    let sections: [String]
    let type: String
    let attachType: AttachType
    let members = [AttachMember("target", .text), AttachMember.cookie]

    static let tpBTF = TracingKind(
        name: "tp_btf", sections: ["tp_btf"], type: "tracing", attachType: .traceRawTracepoint)
    static let fentry = TracingKind(
        name: "fentry", sections: ["fentry", "fentry.s"], type: "tracing", attachType: .traceFentry)
    static let fexit = TracingKind(
        name: "fexit", sections: ["fexit", "fexit.s"], type: "tracing", attachType: .traceFexit)
    static let fmodRet = TracingKind(
        name: "fmod_ret", sections: ["fmod_ret", "fmod_ret.s"], type: "tracing",
        attachType: .modifyReturn)
    static let lsm = TracingKind(
        name: "lsm", sections: ["lsm", "lsm.s"], type: "lsm", attachType: .lsmMac)

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == type && function.expects(attachType)
    }

    func fixed(for function: LoadReport.Function) -> JSONObject {
        var members = JSONObject()
        members["target"] = function.target.map { .string($0) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] { [.tracing] }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        switch error.errno {
        case .enotsupp, .eopnotsupp:
            site.hostLacks("CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS and CONFIG_BPF_JIT", error)
        case .e2big:
            Problem(
                .attachBusy,
                "The kernel takes 38 functions at \(site.function.target ?? "one function"), and "
                    + "they are there.", errno: error.errno.name, cause: error)
        default: nil
        }
    }
}
