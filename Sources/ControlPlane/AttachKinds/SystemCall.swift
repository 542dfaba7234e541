internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// A system call by its name alone: a kprobe on the function that the architecture has for it.
struct SystemCallKind: AttachKind {
    let isReturn: Bool
    var name: String { isReturn ? "kretsyscall" : "ksyscall" }
    let members = [AttachMember("syscall", .text), AttachMember.cookie]
    let needs = [["syscall"]]
    var sections: [String] { [name] }

    func fits(_ function: LoadReport.Function) -> Bool {
        KprobeKind(isReturn: isReturn).fits(function)
    }

    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        if !rest.isEmpty { members["syscall"] = .string(rest) }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let name = site.text("syscall") ?? ""
        // The list of symbols is long: only what tracefs does not know is looked for there.
        let isListed = try? Tracepoints.exists(category: "syscalls", name: "sys_enter_" + name)
        if isListed == true {
            return [
                .kprobe(
                    symbol: KernelFunctions.systemCallPrefix + name, offset: 0, isReturn: isReturn)
            ]
        }
        guard let symbol = KernelFunctions.systemCall(name) else {
            throw site.missing(
                "This kernel has no system call \(name), or hides its symbols.", "syscall",
                near: near(name))
        }
        return [.kprobe(symbol: symbol, offset: 0, isReturn: isReturn)]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        KprobeKind.explain(
            error, at: site, symbol: site.text("syscall") ?? "", member: "syscall")
    }

    // Without tracefs there is nothing to suggest.
    private func near(_ name: String) -> [String] {
        NearMatches.find(name, among: systemCalls() ?? [])
    }

    /// tracefs lists the calls that have a tracepoint: nearly all.
    private func systemCalls() -> [String]? {
        let names: [String]
        // Where it cannot be listed, the list of symbols says it.
        do { names = try Tracepoints.names(category: "syscalls") } catch { return nil }
        return names.filter { $0.hasPrefix("sys_enter_") }.map { String($0.dropFirst(10)) }
    }
}
