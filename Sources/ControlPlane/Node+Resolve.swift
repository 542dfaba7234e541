internal import BPF
internal import BTF
internal import Linux
internal import Problems
internal import Synchronization

extension Node {
    /// Whether a function could be attached as the document says, as far as can be told without
    /// attaching it: this host has the kind, it fits, what it names is there, and the place is not
    /// somebody else's already.
    /// - Parameter names: read once for all that is looked for.
    /// - Throws: `host_lacks`, `wrong_kind`, `target_not_found`, `attach_busy`, `attach_refused`.
    func resolve(
        _ document: AttachDocument, function name: String, of program: LoadedProgram,
        _ names: KernelNameLists = KernelNameLists()
    ) throws(Problem) {
        guard let reported = program.report.functions.first(where: { $0.name == name }) else {
            throw Problem(.notFound, "Program \(program.name) has no function \(name).")
        }
        try AttachDocument.checkKind(document.kind, fits: reported)
        try checkAbility(document.kindName)
        let site = AttachSite(document: document, function: reported, program: program, node: self)
        guard document.kind.entersNamespace, let namespace = site.text("netns") else {
            return try site.resolve(names)
        }
        let path = try namespacePath(namespace)
        let problem: Problem?
        do throws(Errno) {
            problem = try NetworkNamespace.within(path) {
                do throws(Problem) { try site.resolve(names) } catch { return error }
                return nil
            }
        } catch {
            throw Problem(
                .attachRefused, "\(path) cannot be entered as a network namespace: \(error).",
                errno: error.name, pointer: "/attach/netns", cause: error)
        }
        if let problem { throw problem }
    }

    /// - Throws: `host_lacks` where trying the kind has shown that it cannot be.
    private func checkAbility(_ kind: String) throws(Problem) {
        guard let ability = ability(kind), ability.isAvailable == false else { return }
        throw Problem.hostLacks(
            kind, ability.reason ?? "it was tried", needs: ability.needs, errno: ability.errno)
    }
}

extension AttachSite {
    /// In the right network namespace.
    fileprivate func resolve(_ names: KernelNameLists) throws(Problem) {
        if try document.kind.resident(at: self, handle: 1, namespace: nil) != nil { return }
        for target in try document.kind.targets(at: self) {
            guard let refusal = refusal(of: target, names) else { continue }
            throw document.kind.explain(refusal, at: self)
                ?? Problem(refusal, while: "find what \(document.kind.name) is to be attached to")
        }
    }

    /// What the kernel would say, where it can be known before.
    private func refusal(of target: AttachTarget, _ names: KernelNameLists) -> BPFError? {
        switch target {
        case .tracepoint(let category, let name):
            do throws(BPFError) {
                let isThere = try Tracepoints.exists(category: category, name: name)
                return isThere ? nil : BPFError("open", .enoent)
            } catch {
                return error
            }
        case .rawTracepoint(let name):
            return names.hasRawTracepoint(name) == false
                ? BPFError("bpf_raw_tracepoint_open", .enoent) : nil
        case .kprobe(let symbol, _, _):
            return names.hasFunction(symbol) == false
                ? BPFError("perf_event_open", .enoent) : nil
        case .kprobeMulti(let symbols, _, _):
            return symbols.contains { names.hasFunction($0) == false }
                ? BPFError("bpf_link_create", .esrch) : nil
        case .xdp(let index, _):
            return XDPHolder.programID(interfaceIndex: index) != nil
                ? BPFError("bpf_link_create", .ebusy) : nil
        case .cgroup(let path, _):
            // Every directory of version 2 has it, none of version 1.
            return FileSystem.exists(path + "/cgroup.controllers")
                ? nil : BPFError("bpf_link_create", .ebadf)
        // Found already, or (netfilter's priorities) told by nobody but the kernel's refusal.
        case .tracing, .uprobe, .uprobeMulti, .userStatic, .perfEvent, .iterator, .tcx, .netkit,
            .networkNamespace, .socketMap, .netfilter, .replacement:
            return nil
        }
    }
}

/// The kernel's lists of what can be probed, each read at its first use.
final class KernelNameLists: Sendable {
    private struct State {
        var functions: Set<String>?
        var symbols: Set<String>?
    }

    private let state = Mutex(State())

    /// Whether the kernel has a function of that name; nil where it does not tell.
    func hasFunction(_ name: String) -> Bool? {
        if name.contains(":") { return nil }
        return state.withLock { state in
            // What it does not tell is tried when it is attached.
            let functions = state.functions ?? (try? Set(KernelFunctions.names())) ?? []
            state.functions = functions
            if functions.isEmpty { return nil }
            if functions.contains(name) { return true }
            // Not all that can be probed can be traced by ftrace.
            let symbols = Self.symbols(&state)
            return symbols.isEmpty ? nil : symbols.contains(name)
        }
    }

    /// nil where the kernel does not tell.
    func hasRawTracepoint(_ name: String) -> Bool? {
        let symbols = state.withLock { Self.symbols(&$0) }
        // A kernel without CONFIG_KALLSYMS_ALL shows those of modules alone.
        if symbols.contains("__tracepoint_sys_enter") {
            return symbols.contains("__tracepoint_" + name)
        }
        // The types of all but modules' tracepoints; not every kernel has them.
        guard let types = try? KernelTypes.vmlinux(),
            types.find("btf_trace_sys_enter", .typedef) != nil
        else { return nil }
        if types.find("btf_trace_" + name, .typedef) != nil { return true }
        let modules = try? FileSystem.list("/sys/kernel/btf")
        return modules == ["vmlinux"] ? false : nil
    }

    private static func symbols(_ state: inout State) -> Set<String> {
        let symbols = state.symbols ?? KernelFunctions.symbols() ?? []
        state.symbols = symbols
        return symbols
    }
}
