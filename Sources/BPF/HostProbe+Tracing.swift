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
        let multi = row("kprobe_multi", needs: "kernel 5.18, CONFIG_FPROBE") { () throws(BPFError) in
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
        let multi = row("uprobe_multi", needs: "kernel 6.6, CONFIG_UPROBES") { () throws(BPFError) in
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

    /// The kinds whose target is a type of the kernel's.
    private static func typed() -> [Ability] {
        let kernel = "CONFIG_DEBUG_INFO_BTF, CONFIG_BPF_JIT, a kernel with direct calls from ftrace"
        let rows: [(kind: String, needs: String, ProgramType, AttachType, String, KernelNames.Kind)] = [
            (
                "tp_btf", "kernel 5.5, CONFIG_DEBUG_INFO_BTF", .tracing, .traceRawTracepoint,
                "btf_trace_" + quietTracepoint.name, .typedef
            ),
            ("fentry", kernel, .tracing, .traceFentry, quietFunction, .function),
            ("fexit", kernel, .tracing, .traceFexit, quietFunction, .function),
            ("fmod_ret", kernel, .tracing, .modifyReturn, "bpf_modify_return_test", .function),
            (
                "lsm", "CONFIG_BPF_LSM, bpf in lsm= of the kernel's command line, " + kernel, .lsm,
                .lsmMac, "bpf_lsm_syslog", .function
            ),
            (
                "iter", "kernel 5.8, CONFIG_DEBUG_INFO_BTF", .tracing, .traceIter,
                "bpf_iter_task", .function
            ),
        ]
        let names: KernelNames
        do { names = try KernelNames() } catch {
            return (rows.map { ($0.kind, $0.needs) } + [("struct_ops", "kernel 5.6")]).map {
                refused($0.0, error, needs: $0.1)
            }
        }
        var abilities: [Ability] = []
        for (kind, needs, type, attachType, name, nameKind) in rows {
            let id: UInt32
            do { id = try names.id(of: name, nameKind) } catch {
                abilities.append(refused(kind, error, needs: needs))
                continue
            }
            abilities.append(
                row(kind, needs: needs) { () throws(BPFError) in
                    try attach(
                        TinyProgram(type: type, attachType: attachType, typeID: id),
                        kind == "iter" ? .iterator(mapID: nil) : .tracing)
                })
        }
        return abilities + [structOps(names), replacement()]
    }

    /// Only loaded, never attached: a slip in attaching struct_ops hangs the kernel (attach.md, T9).
    private static func structOps(_ names: borrowing KernelNames) -> Ability {
        let needs = "kernel 5.6, CONFIG_BPF_JIT, CONFIG_DEBUG_INFO_BTF"
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
            return refused("struct_ops", error, needs: needs)
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
