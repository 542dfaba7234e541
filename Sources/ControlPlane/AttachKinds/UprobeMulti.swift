internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// Many functions of one program or library by one link.
struct UprobeMultiKind: AttachKind {
    let name = "uprobe_multi"
    let members = [
        AttachMember("binary", .path), AttachMember("symbols", .texts(atMost: Self.mostSymbols)),
        AttachMember("pattern", .text), .processID, AttachMember("return", .flag), .cookie,
    ]
    let needs = [["binary"], ["symbols", "pattern"]]
    let excludes = [["symbols", "pattern"]]
    let sections = [
        "uprobe.multi", "uprobe.multi.s", "uretprobe.multi", "uretprobe.multi.s", "uprobe.session",
        "uprobe.session.s",
    ]

    static let mostSymbols = 10_000

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "kprobe" && function.expects(.traceUprobeMulti, .traceUprobeSession)
            && !function.isUserStatic
    }

    /// `libc.so.6:get*pid`
    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if section.hasPrefix("uretprobe") { members["return"] = true }
        guard let colon = rest.lastIndex(of: ":") else { return members }
        members["binary"] = .string(SectionName.path(of: String(rest[..<colon])))
        let pattern = String(rest[rest.index(after: colon)...])
        if !pattern.isEmpty { members["pattern"] = .string(pattern) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let binary = try site.binary()
        var offsets: [UInt64]
        if let symbols = site.texts("symbols") {
            offsets = try site.offsets(of: symbols, in: binary, "symbols")
        } else {
            do {
                offsets = try site.node.configuration.loader.offsets(
                    matching: site.text("pattern") ?? "", in: binary, atMost: Self.mostSymbols)
            } catch {
                throw AttachSite.problem(error, "pattern")
            }
        }
        // Several names of one function are one place.
        offsets = Set(offsets).sorted()
        return [
            .uprobeMulti(
                binary: binary, offsets: offsets, processID: site.processID,
                isReturn: site.isSet("return"),
                type: AttachType(rawValue: site.function.expectedAttachType))
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        if error.errno == .eopnotsupp, error.log == nil {
            return site.hostLacks("kernel 6.6 and CONFIG_UPROBES", error)
        }
        return site.explainUserProbe(error)
    }
}
