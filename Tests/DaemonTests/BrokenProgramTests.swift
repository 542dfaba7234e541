import JSON
import Linux
import TestSupport
import Testing

/// One small C source for each cause of a load that fails, `Objects/broken_NAME.bpf.c`, each held
/// against what a client is told of it.
@Suite(.requiresRoot) struct BrokenProgramTests {
    struct Row: Sendable, CustomStringConvertible {
        let name: String
        let stage: String
        let cause: String?
        /// A part of `detail`.
        let words: String
        /// The text of the line of C; nil where the instruction came from none.
        let source: String?

        init(
            _ name: String, _ stage: String, _ cause: String?, _ words: String,
            _ source: String? = nil
        ) {
            self.name = name
            self.stage = stage
            self.cause = cause
            self.words = words
            self.source = source
        }

        var description: String { name }

        var code: String {
            switch stage {
            case "elf", "btf": "object_refused"
            case "verifier": "verifier_refused"
            default: "load_refused"
            }
        }
    }

    static let verifierRows: [Row] = [
        Row("null_map", "verifier", "missing_null_check", "map_value_or_null", "*count += 1;"),
        Row("null_ring", "verifier", "missing_null_check", "ringbuf_mem_or_null", "*record = 1;"),
        Row(
            "null_argument", "verifier", "missing_null_check", "R1 type=map_value_or_null",
            "bpf_get_current_comm(count, 8);"),
        Row(
            "range_index", "verifier", "out_of_range_access", "unbounded memory access",
            "table[index] = 1;"),
        Row(
            "range_value", "verifier", "out_of_range_access", "value_size=8 off=8 size=8",
            "count[1] = 1;"),
        Row(
            "range_packet", "verifier", "out_of_range_access", "outside of the packet",
            "return data[12] == 8 ? XDP_DROP : XDP_PASS;"),
        Row(
            "range_negative", "verifier", "out_of_range_access", "min value is negative",
            "bpf_probe_read_user(text, size, context);"),
        Row("range_stack", "verifier", "out_of_range_access", "invalid write to stack"),
        Row(
            "range_context", "verifier", "out_of_range_access", "invalid bpf_context access",
            "return ((__u32 *)context)[100] ? XDP_DROP : XDP_PASS;"),
        Row("loop_endless", "verifier", "unbounded_loop", "infinite loop detected", "turns += 2;"),
        Row("loop_long", "verifier", "program_too_large", "too large"),
        Row("loop_jumps", "verifier", "unbounded_loop", "too complex"),
        Row("calls_deep", "verifier", "unbounded_loop", "call stack of 9 frames"),
        Row("large_program", "verifier", "program_too_large", "too many instructions"),
        Row("stack_combined", "verifier", "program_too_large", "combined stack size"),
        Row("helper_unknown", "verifier", "unknown_helper", "9999"),
        Row("helper_type", "verifier", "unknown_helper", "bpf_skb_store_bytes"),
        Row("helper_sleeps", "verifier", "unknown_helper", "might sleep"),
        Row("helper_gpl", "verifier", "incompatible_license", "GPL"),
        Row(
            "map_constant", "verifier", nil, "write into map forbidden",
            "*(volatile __u64 *)&limit = 6;"),
        Row("register_unset", "verifier", "uninitialized_read", "R6 !read_ok"),
        Row(
            "pointer_untyped", "verifier", "untyped_pointer", "invalid mem access 'scalar'",
            "return task->pid;"),
        Row("end_missing", "verifier", nil, "last insn is not an exit"),
        Row("code_dead", "verifier", nil, "unreachable insn 2"),
        Row("pointer_shift", "verifier", nil, "pointer arithmetic"),
        Row("divide_zero", "verifier", nil, "div by zero"),
        Row("reference_leak", "verifier", "unreleased_reference", "reference", "return 0;"),
        Row("return_range", "verifier", nil, "should have been in [0, 1]", "return 7;"),
        Row("lock_held", "verifier", "unreleased_reference", "bpf_spin_lock"),
        Row("argument_type", "verifier", nil, "R2 type=scalar"),
    ]

    static let otherRows: [Row] = [
        Row("kfunc_unknown", "relocation", "missing_kernel_type", "apiary_no_such_kfunc"),
        Row("core_member", "relocation", "missing_kernel_type", "apiary_no_such_member"),
        Row("core_type", "relocation", "missing_kernel_type", "apiary_no_such_type"),
        Row("btf_target", "relocation", "missing_kernel_type", "apiary_no_such_tracepoint"),
        Row("target_fentry", "relocation", "missing_target", "section \"fentry\""),
        Row("target_lsm", "relocation", "missing_target", "section \"lsm\""),
        Row("target_iter", "relocation", "missing_target", "section \"iter\""),
        Row("target_freplace", "relocation", "missing_target", "function of another program"),
        Row("extern_kconfig", "relocation", "missing_kernel_type", "APIARY_NO_SUCH_OPTION"),
        Row("extern_symbol", "relocation", "missing_kernel_type", "apiary_no_such_symbol"),
        Row("map_large", "map", "map_too_big", "huge"),
        Row("map_flags", "map", nil, "odd"),
        Row("map_type", "map", nil, "odd"),
        Row("map_key", "map", nil, "odd"),
        Row("section_unknown", "elf", nil, "wishful"),
        Row("maps_legacy", "elf", "legacy_maps", "legacy map definitions"),
    ]

    @Test(arguments: verifierRows) func `the verifier's refusal says where and why`(row: Row)
        throws
    {
        let answer = try refusal(row)
        #expect(answer["/function"] == "broken")
        #expect(answer["/verifier_log"]?.string?.contains("processed") ?? true)
        if let source = row.source {
            #expect(answer["/source/text"]?.string == source)
            // The place is in the log of kernel 6.9 and later; before, in the object's BTF.
            #expect(answer["/source/file"]?.string?.hasSuffix("broken_\(row.name).bpf.c") == true)
            let line = answer["/source/line"]?.int ?? 0
            #expect(try Self.line(line, of: row.name).contains(source), "line \(line)")
            #expect((answer["/instruction/index"]?.int ?? -1) >= 0)
            #expect(answer["/instruction/text"]?.string?.hasPrefix("(") == true)
        }
        let silent = try TestDaemon().curl(
            "PUT /v1/programs/x?verifier_log=none", file: "broken_\(row.name).bpf.o")
        #expect(silent["/verifier_log"] == nil)
        #expect(silent["/detail"] == answer["/detail"])
    }

    @Test(arguments: otherRows) func `a refusal before the verifier says at which stage`(row: Row)
        throws
    {
        let answer = try refusal(row)
        if row.stage == "map" { #expect(answer["/map"]?.string == row.words) }
        if row.cause == "missing_target" {
            let hint = answer["/hint"]?.string ?? ""
            #expect(hint.contains(#""functions": {"targets": {"broken": "#), "\(hint)")
            #expect(answer["/pointer"] == "/functions/targets/broken")
            return
        }
        #expect(answer["/libbpf_log"]?.string?.isEmpty ?? true == false || row.stage == "elf")
    }

    @Test func `an object that was compiled without -g is told so`() throws {
        let apiary = try TestDaemon()
        // What the sections are called is all that tells them.
        let bytes = try FileSystem.read(Repository.object("counter.bpf.o"))
        let name = Array(".BTF".utf8)
        let without = bytes.indices.reduce(into: bytes) { object, index in
            if bytes[index...].starts(with: name) { object[index + 1] = UInt8(ascii: "X") }
        }
        let file = apiary.directory + "/without.bpf.o"
        try FileSystem.replace(file, with: without.span)
        let answer = try apiary.curl("PUT /v1/programs/x", file: file).answers(
            422, #"{"code":"object_refused","stage":"btf","cause":"missing_btf"}"#)
        #expect(answer["/hint"]?.string?.contains("clang -g") == true)
    }

    @Test func `a helper that lockdown takes away is told as such`() throws {
        let apiary = try TestDaemon()
        let lockdown = try apiary.curl("GET /v1/host").answers(200)["/lockdown"]
        let answer = try apiary.curl(
            "PUT /v1/programs/x", file: "broken_helper_lockdown.bpf.o")
        if lockdown == "integrity" || lockdown == "confidentiality" {
            answer.answers(422, #"{"code":"verifier_refused","cause":"lockdown"}"#)
            #expect(answer["/hint"]?.string?.contains("lockdown") == true)
        }
    }

    @Test func `a daemon without the capabilities says which it lacks`() throws {
        let apiary = try TestDaemon(isStarted: false)
        apiary.launcher = [
            "setpriv", "--bounding-set=-bpf,-perfmon,-net_admin,-sys_admin", "--inh-caps=-all",
        ]
        try apiary.start()
        let answer = try apiary.curl("PUT /v1/programs/x", file: "hooks_next.bpf.o").answers(
            501,
            #"""
            {"code":"kernel_forbids","stage":"permission","cause":"missing_capability","errno":"EPERM"}
            """#)
        #expect(answer["/hint"]?.string?.contains("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN") == true)
        try apiary.curl("GET /v1/kernel/programs").answers(501, problem: .kernelForbids)
    }

    @Test func `a loader without enough descriptors says which limit it met`() throws {
        let apiary = try TestDaemon()
        let daemon = try #require(apiary.processIdentifier)
        #expect(try apiary.isAtRest)
        for process in try apiary.spares + [daemon] {
            try Machine.run("prlimit", "--pid", "\(process)", "--nofile=250:250")
        }
        let answer = try apiary.curl("PUT /v1/programs/x", file: "throng.bpf.o")
            .answers(503, #"{"code":"resource_exhausted","cause":"rlimit","errno":"EMFILE"}"#)
        #expect(answer["/hint"]?.string?.contains("LimitNOFILE") == true)
        #expect(try apiary.pins == [])
    }

    @Test func `a target that is misspelt is told with near ones`() throws {
        let apiary = try TestDaemon()
        let hooks = try apiary.curl("PUT /v1/programs/hooks", file: "hooks.bpf.o").answers(201)
        let digest = hooks["/digest"]?.string ?? ""
        let answer = try apiary.curl(
            "PUT /v1/programs/x",
            json: """
                {"object":{"digest":"\(digest)"},
                 "functions":{"only":["on_typed"],"targets":{"on_typed":"sys_entr"}}}
                """
        ).answers(
            400, #"{"code":"invalid_member","pointer":"/functions/targets/on_typed"}"#)
        #expect(answer["/detail"]?.string?.contains("near it: \"sys_enter\"") == true, "\(answer)")
    }

    @Test func `a refusal leaves nothing, and is in the contract`() throws {
        let apiary = try TestDaemon()
        for row in Self.verifierRows.prefix(6) + Self.otherRows.suffix(5) {
            try apiary.curl("PUT /v1/programs/x?dry_run=true", file: "broken_\(row.name).bpf.o")
                .answers(422)
            try apiary.curl("PUT /v1/programs/x", file: "broken_\(row.name).bpf.o").answers(422)
        }
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[]}"#)
        #expect(try apiary.pins == [])
        #expect(try apiary.isAtRest)
    }

    /// The kernel is to refuse a map that is too large, not our own limit.
    private func daemon() throws -> TestDaemon {
        try TestDaemon(arguments: ["--set", "max_map_memory_bytes=\(UInt64(1) << 50)"])
    }

    private func refusal(_ row: Row) throws -> Answer {
        let apiary = try daemon()
        let answer = try apiary.curl("PUT /v1/programs/x", file: "broken_\(row.name).bpf.o")
            .answers(422, #"{"code":"\#(row.code)","stage":"\#(row.stage)"}"#)
        #expect(answer["/cause"]?.string == row.cause, "\(answer)")
        #expect(answer["/detail"]?.string?.contains(row.words) == true, "\(answer)")
        // Whoever gets a cause gets an advice.
        #expect((answer["/hint"]?.string?.utf8.count ?? 0 > 40) == (row.cause != nil))
        return answer
    }

    private static func line(_ number: Int, of name: String) throws -> String {
        let text = try Repository.text("Tests/DaemonTests/Objects/broken_\(name).bpf.c")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return number >= 1 && number <= lines.count ? String(lines[number - 1]) : ""
    }
}
