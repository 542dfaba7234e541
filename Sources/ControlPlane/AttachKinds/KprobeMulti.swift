internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// Many functions of the kernel's by one link.
struct KprobeMultiKind: AttachKind {
    let name = "kprobe_multi"
    let members = [
        AttachMember("symbols", .texts(atMost: Self.mostSymbols)), AttachMember("pattern", .text),
        AttachMember("return", .flag), .cookie,
    ]
    let needs = [["symbols", "pattern"]]
    let excludes = [["symbols", "pattern"]]
    let sections = ["kprobe.multi", "kretprobe.multi", "kprobe.session"]

    /// More than this on one link makes attaching take seconds.
    static let mostSymbols = 10_000

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "kprobe" && function.expects(.traceKprobeMulti, .traceKprobeSession)
    }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if !rest.isEmpty { members["pattern"] = .string(rest) }
        if section == "kretprobe.multi" { members["return"] = true }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let type = AttachType(rawValue: site.function.expectedAttachType)
        let symbols: [String]
        if let named = site.texts("symbols") {
            symbols = named
        } else {
            symbols = try matching(site)
        }
        return [.kprobeMulti(symbols: symbols, isReturn: site.isSet("return"), type: type)]
    }

    private func matching(_ site: AttachSite) throws(Problem) -> [String] {
        let pattern = GlobPattern(site.text("pattern") ?? "")
        let names: [String]
        do { names = try KernelFunctions.names() } catch {
            throw Problem(error, while: "list the kernel's functions")
        }
        // Several functions may have one name; the kernel takes each name once.
        let found = Set(names.lazy.filter(pattern.matches))
        guard !found.isEmpty else {
            throw site.missing(
                "No function of this kernel matches \(pattern.text).", "pattern",
                near: KprobeKind.near(pattern.text))
        }
        guard found.count <= Self.mostSymbols else {
            throw Problem(
                .invalidMember,
                "\(found.count) functions match \(pattern.text); \(Self.mostSymbols) are taken at "
                    + "once: narrow the pattern.", pointer: "/attach/pattern")
        }
        return found.sorted()
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        switch error.errno {
        case .eopnotsupp where error.log == nil:
            return site.hostLacks("kernel 5.18 and CONFIG_FPROBE", error)
        case .esrch, .enoent:
            let symbols = site.texts("symbols") ?? []
            let known: Set<String>
            // A kernel that shows no symbols has none to compare with.
            do { known = Set(try KernelFunctions.names()) } catch { known = [] }
            let stray = known.isEmpty ? nil : symbols.first { !known.contains($0) }
            return site.missing(
                stray.map { "This kernel has no function \($0) that can be probed." }
                    ?? "One of the functions cannot be probed.", "symbols",
                near: stray.map { NearMatches.find($0, among: known) } ?? [], errno: error.errno)
        default: return nil
        }
    }
}
