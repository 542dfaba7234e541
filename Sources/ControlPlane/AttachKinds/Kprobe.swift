internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A function of the kernel's: at its entry or an instruction in it, or at its return.
struct KprobeKind: AttachKind {
    let isReturn: Bool
    var name: String { isReturn ? "kretprobe" : "kprobe" }
    var members: [AttachMember] {
        [AttachMember("symbol", .text)]
            + (isReturn ? [] : [AttachMember("offset", .unsigned(0...UInt64(UInt32.max)))])
            + [.cookie]
    }
    let needs = [["symbol"]]
    var sections: [String] { [name] }

    static let hostNeeds = "CONFIG_KPROBES and CONFIG_KPROBE_EVENTS, kernel 4.17"

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "kprobe" && function.expectedAttachType == 0 && !function.isUserStatic
    }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        let parts = rest.split(separator: "+", maxSplits: 1)
        guard let symbol = parts.first else { return members }
        members["symbol"] = .string(String(symbol))
        if !isReturn, parts.count == 2, let offset = SectionName.number(parts[1]) {
            members["offset"] = JSONValue(offset)
        }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        [
            .kprobe(
                symbol: site.text("symbol") ?? "", offset: site.unsigned("offset") ?? 0,
                isReturn: isReturn)
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        Self.explain(error, at: site, symbol: site.text("symbol") ?? "", member: "symbol")
    }

    static func explain(
        _ error: BPFError, at site: AttachSite, symbol: String, member: String
    ) -> Problem? {
        switch error.errno {
        case .enodev: site.hostLacks(hostNeeds, error)
        case .enoent:
            site.missing(
                "This kernel has no function \(symbol) that can be probed.", member,
                near: near(symbol))
        case .eaddrnotavail:
            site.missing(
                "\(symbol) names several functions of this kernel: name another.", member,
                errno: .eaddrnotavail)
        case .einval:
            Problem(
                .attachRefused,
                "\(symbol)+\(site.unsigned("offset") ?? 0) is at no instruction that may be "
                    + "probed: "
                    + "leave the offset out, or name a function that is not on the kernel's "
                    + "blacklist.",
                errno: error.errno.name, pointer: "/attach/\(member)", cause: error)
        default: nil
        }
    }

    static func near(_ symbol: String) -> [String] {
        // A kernel that shows no symbols has none to suggest.
        do { return NearMatches.find(symbol, among: try KernelFunctions.names()) } catch {
            return []
        }
    }
}
