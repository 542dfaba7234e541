internal import CLibbpf
internal import Linux
internal import Loading

/// A `struct bpf_program` of an open object, which must outlive it.
@safe struct ObjectFunction {
    private let program: OpaquePointer
    let name: String
    let section: String
    let type: bpf_prog_type
    /// As the object has it, without the subprograms that a load puts behind it.
    let ownInstructions: Int

    // SAFETY: libbpf's strings live as long as the object; they are copied at once.
    @unsafe init(_ program: OpaquePointer) {
        unsafe self.program = unsafe program
        name = unsafe String(cString: bpf_program__name(program))
        section = unsafe String(cString: bpf_program__section_name(program))
        unsafe Self.adoptNewer(section.prefix { $0 != "/" }, program)
        type = unsafe bpf_program__type(program)
        ownInstructions = unsafe Int(bpf_program__insn_cnt(program))
    }

    /// The type's name where the kernel, asked by trying, does not know the type.
    func missingType() -> String? {
        guard libbpf_probe_bpf_prog_type(type, nil) == 0 else { return nil }
        return unsafe libbpf_bpf_prog_type_str(type).map { unsafe String(cString: $0) }
            ?? "\(type.rawValue)"
    }

    /// Sections that libbpf learned after the version that is linked here: BPF_TRACE_KPROBE_SESSION
    /// is 56 (kernel 6.10), BPF_TRACE_UPROBE_SESSION 57 (6.13).
    @unsafe private static func adoptNewer(_ kind: Substring, _ program: OpaquePointer) {
        let types: [Substring: UInt32] = [
            "kprobe.session": 56, "uprobe.session": 57, "uprobe.session.s": 57,
        ]
        guard let type = types[kind], unsafe bpf_program__type(program) == BPF_PROG_TYPE_UNSPEC
        else { return }
        // Both refuse only once the object is loaded.
        _ = unsafe bpf_program__set_type(program, BPF_PROG_TYPE_KPROBE)
        _ = unsafe bpf_program__set_expected_attach_type(
            program, bpf_attach_type(rawValue: type))
        if kind.hasSuffix(".s") {
            _ = unsafe bpf_program__set_flags(program, UInt32(BPF_F_SLEEPABLE))
        }
    }

    /// False for `SEC("?…")` unless it was asked for.
    var isLoaded: Bool { unsafe bpf_program__autoload(program) }

    /// Before the load: the object's own. After it: with the subprograms.
    var instructions: Int { unsafe Int(bpf_program__insn_cnt(program)) }

    /// Negative where it is not loaded.
    var descriptor: Int32 { unsafe bpf_program__fd(program) }

    /// `BPF_TRACE_…`; of a struct_ops function, once loaded, the number of the structure's member.
    var attachType: UInt32 {
        unsafe bpf_program__expected_attach_type(program).rawValue
    }

    /// Whether a load fixes a BTF target.
    var hasTarget: Bool {
        type == BPF_PROG_TYPE_TRACING || type == BPF_PROG_TYPE_LSM || type == BPF_PROG_TYPE_EXT
    }

    /// `fentry.s/do_unlinkat` without the target: `fentry.s`.
    private var sectionKind: Substring { section.prefix { $0 != "/" } }

    /// `do_unlinkat` of `fentry.s/do_unlinkat`; empty where there is none.
    var sectionTarget: String { String(section.dropFirst(sectionKind.count + 1)) }

    /// libbpf keeps this flag to itself: it derives it from the section's name at the load.
    private var isSleepable: Bool {
        let flags = unsafe bpf_program__flags(program)
        return flags & UInt32(BPF_F_SLEEPABLE) != 0 || sectionKind.hasSuffix(".s")
            || sectionKind == "syscall"
    }

    func setLoaded(_ isLoaded: Bool) {
        // It refuses only once the object is loaded.
        _ = unsafe bpf_program__set_autoload(program, isLoaded)
    }

    /// - Parameter pin: of the program that has the target; `nil`: the kernel.
    /// - Returns: why there is no such target, `nil` where it is set.
    func setTarget(_ target: String, inProgramAt pin: String?) -> Errno? {
        var descriptor: Int32 = 0
        if let pin {
            // Open until the process ends: libbpf uses it at the load.
            descriptor = unsafe bpf_obj_get(pin)
            if descriptor < 0 { return Errno(rawValue: -descriptor) }
        }
        let result = unsafe bpf_program__set_attach_target(program, descriptor, target)
        return result < 0 ? Errno(rawValue: -result) : nil
    }

    func use(_ logs: borrowing VerifierLogs, index: Int) {
        unsafe logs.use(for: program, index: index)
    }

    /// - Parameter target: the one that the request set instead of the section's.
    func report(target: String?, instructions: Int, pin: String?, log: String?)
        -> LoadReport.Function
    {
        let ofSection = section.dropFirst(sectionKind.count + 1)
        let inSection = hasTarget && !ofSection.isEmpty ? String(ofSection) : nil
        return LoadReport.Function(
            name: name, section: section, type: typeName,
            expectedAttachType: attachType,
            target: target ?? inSection, isSleepable: isSleepable, instructions: instructions,
            pin: pin, verifierLog: log)
    }

    private var typeName: String {
        guard let text = unsafe libbpf_bpf_prog_type_str(type) else { return "\(type.rawValue)" }
        return unsafe String(cString: text)
    }

    /// Whether the loaded code takes the address of `offset` in the value of the map `descriptor`:
    /// `BPF_PSEUDO_MAP_VALUE` with the map's descriptor, as libbpf relocated it.
    func refers(toMap descriptor: Int32, offset: Int) -> Bool {
        guard let first = unsafe bpf_program__insns(program) else { return false }
        // SAFETY: libbpf keeps `instructions` of them, as they were given to the kernel.
        let code = unsafe UnsafeBufferPointer(start: first, count: instructions)
        var index = 0
        while index + 1 < code.count {
            let instruction = unsafe code[index]
            let isWide = Int32(instruction.code) == BPF_LD | BPF_IMM | BPF_DW
            if isWide, instruction.src_reg == UInt8(BPF_PSEUDO_MAP_VALUE),
                instruction.imm == descriptor, unsafe Int(code[index + 1].imm) == offset
            {
                return true
            }
            index += isWide ? 2 : 1
        }
        return false
    }
}
