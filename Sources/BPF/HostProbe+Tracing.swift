internal import Linux

extension HostProbe {
    /// A function that only BPF_PROG_TEST_RUN calls (linux: net/bpf/test_run.c), since 5.5.
    private static let quietFunction = "bpf_fentry_test1"
    /// Fires after a BPF_PROG_TEST_RUN only, since 5.2.
    private static let quietTracepoint = (category: "bpf_test_run", name: "bpf_test_finish")

    static func tracingKinds() -> [Ability] {
        kprobes() + uprobes() + tracepoints() + typed() + [
            row("perf_event", needs: "kernel 4.9, CONFIG_PERF_EVENTS") { () throws(BPFError) in
                // The calling thread's clock, once in a thousand seconds.
                let counter = PerfCounter(
                    type: 1, config: 0, sampling: .period(1_000_000_000_000), processID: 0)
                try attach(TinyProgram(type: .perfEvent), .perfEvent(counter))
            }
        ]
    }

    /// Attaches and lets go at once.
    static func attach(_ program: TinyProgram, _ target: AttachTarget) throws(BPFError) {
        _ = try program.load().attach(to: target, cookie: nil)
    }

    private static func kprobes() -> [Ability] {
        let needs = "CONFIG_KPROBES and CONFIG_KPROBE_EVENTS, kernel 4.17"
        func single(_ kind: String, isReturn: Bool) -> Ability {
            row(kind, needs: needs) { () throws(BPFError) in
                try attach(
                    TinyProgram(type: .kprobe),
                    .kprobe(symbol: quietFunction, offset: 0, isReturn: isReturn))
            }
        }
        let entry = single("kprobe", isReturn: false)
        let exit = single("kretprobe", isReturn: true)
        let multiNeeds = "kernel 5.18, CONFIG_FPROBE"
        let multi = row("kprobe_multi", needs: multiNeeds) { () throws(BPFError) in
            try attach(
                TinyProgram(type: .kprobe, attachType: .traceKprobeMulti),
                .kprobeMulti(symbols: [quietFunction], isReturn: false))
        }
        // A system call's probe is a kprobe on the function that the architecture names so.
        return [
            entry, exit, multi, renamed(entry, "ksyscall"), renamed(exit, "kretsyscall"),
        ]
    }

    private static func uprobes() -> [Ability] {
        let needs = "CONFIG_UPROBES and CONFIG_UPROBE_EVENTS, kernel 4.17"
        let file: MemoryFile
        do {
            // Nobody has it mapped, so no instruction is ever changed.
            file = try MemoryFile("apiary-uprobe")
            try file.append([UInt8](repeating: 0x90, count: 4096).span)
        } catch {
            return ["uprobe", "uretprobe", "uprobe_multi", "usdt"].map {
                refused($0, BPFError("memfd_create", error), needs: needs)
            }
        }
        let path = "/proc/self/fd/\(file.descriptor.raw)"
        func single(_ kind: String, isReturn: Bool) -> Ability {
            row(kind, needs: needs) { () throws(BPFError) in
                try attach(
                    TinyProgram(type: .kprobe),
                    .uprobe(binary: path, offset: 64, processID: nil, isReturn: isReturn))
            }
        }
        let entry = single("uprobe", isReturn: false)
        let exit = single("uretprobe", isReturn: true)
        let multiNeeds = "kernel 6.6, CONFIG_UPROBES"
        let multi = row("uprobe_multi", needs: multiNeeds) { () throws(BPFError) in
            try attach(
                TinyProgram(type: .kprobe, attachType: .traceUprobeMulti),
                .uprobeMulti(binary: path, offsets: [64, 128], processID: nil, isReturn: false))
        }
        withExtendedLifetime(file) {}
        return [entry, exit, multi, renamed(entry, "usdt")]
    }

    private static func tracepoints() -> [Ability] {
        [
            row("tracepoint", needs: "CONFIG_FTRACE and tracefs at /sys/kernel/tracing") {
                () throws(BPFError) in
                try attach(
                    TinyProgram(type: .tracepoint),
                    .tracepoint(category: quietTracepoint.category, name: quietTracepoint.name))
            },
            row("raw_tracepoint", needs: "kernel 4.17, CONFIG_BPF_EVENTS") { () throws(BPFError) in
                try attach(
                    TinyProgram(type: .rawTracepoint), .rawTracepoint(name: quietTracepoint.name))
            },
        ]
    }

    /// A kind whose target is a type of the kernel's.
    private struct Typed {
        let kind: String
        let type: ProgramType
        let attachType: AttachType
        let target: String
        let needs: String
    }

    private static var typedKinds: [Typed] {
        let calls = "CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_JIT, DYNAMIC_FTRACE_WITH_DIRECT_CALLS"
        return [
            Typed(
                kind: "tp_btf", type: .tracing, attachType: .traceRawTracepoint,
                target: "btf_trace_" + quietTracepoint.name,
                needs: "kernel 5.5, CONFIG_DEBUG_INFO_BTF"),
            Typed(
                kind: "fentry", type: .tracing, attachType: .traceFentry, target: quietFunction,
                needs: "kernel 5.5, " + calls),
            Typed(
                kind: "fexit", type: .tracing, attachType: .traceFexit, target: quietFunction,
                needs: "kernel 5.5, " + calls),
            Typed(
                kind: "fmod_ret", type: .tracing, attachType: .modifyReturn,
                target: "bpf_modify_return_test", needs: "kernel 5.7, " + calls),
            Typed(
                kind: "lsm", type: .lsm, attachType: .lsmMac, target: "bpf_lsm_syslog",
                needs: "kernel 5.7, CONFIG_BPF_LSM, bpf in the kernel's lsm= option, " + calls),
            Typed(
                kind: "iter", type: .tracing, attachType: .traceIter, target: "bpf_iter_task",
                needs: "kernel 5.8, CONFIG_DEBUG_INFO_BTF"),
        ]
    }

    private static func typed() -> [Ability] {
        let names: KernelNames
        do { names = try KernelNames() } catch {
            return typedKinds.map { refused($0.kind, error, needs: $0.needs) }
                + [refused("struct_ops", error, needs: structOpsNeeds), replacement()]
        }
        var abilities: [Ability] = []
        for typed in typedKinds {
            let id: UInt32
            do {
                id = try names.id(of: typed.target, typed.kind == "tp_btf" ? .typedef : .function)
            } catch {
                abilities.append(refused(typed.kind, error, needs: typed.needs))
                continue
            }
            abilities.append(
                row(typed.kind, needs: typed.needs) { () throws(BPFError) in
                    try attach(
                        TinyProgram(type: typed.type, attachType: typed.attachType, typeID: id),
                        typed.kind == "iter" ? .iterator(mapID: nil) : .tracing)
                })
        }
        return abilities + [structOps(names), replacement()]
    }

    private static let structOpsNeeds = "kernel 5.6, CONFIG_BPF_JIT, CONFIG_DEBUG_INFO_BTF"

    /// Only loaded, never attached: a slip in attaching struct_ops hangs the kernel (attach.md,
    /// T9).
    private static func structOps(_ names: borrowing KernelNames) -> Ability {
        do {
            let structure = try names.id(of: "tcp_congestion_ops", .structure)
            let member = try names.member("undo_cwnd", of: structure)
            _ = try TinyProgram(
                type: .structOps, attachType: AttachType(rawValue: member), typeID: structure
            ).load()
            return Ability(
                kind: "struct_ops", state: .available, errno: nil,
                reason: "told by loading a function, attaching is not tried", needs: nil)
        } catch {
            return refused("struct_ops", error, needs: structOpsNeeds)
        }
    }

    private static func replacement() -> Ability {
        row("freplace", needs: "kernel 5.10, CONFIG_BPF_JIT") { () throws(BPFError) in
            let types = try TinyTypes.load()
            let target = try TinyProgram(type: .xdp, result: 2, types: types.raw).load()
            let program = try TinyProgram(
                type: .ext, result: 2, typeID: TinyTypes.function, target: target,
                types: types.raw
            ).load()
            _ = try program.attach(
                to: .replacement(programID: target.info().id, typeID: TinyTypes.function),
                cookie: nil)
        }
    }

    private static func renamed(_ ability: Ability, _ kind: String) -> Ability {
        Ability(
            kind: kind, state: ability.state, errno: ability.errno, reason: ability.reason,
            needs: ability.needs)
    }
}
