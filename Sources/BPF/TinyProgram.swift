internal import CLibbpf
internal import Linux

/// A program of two instructions, `r0 = result; exit`, to find out what the kernel takes.
struct TinyProgram {
    let type: ProgramType
    var attachType = AttachType(rawValue: 0)
    var result: UInt32 = 0
    /// A function of the kernel's for programs that is called instead, without arguments.
    var call: UInt32?
    /// The kernel's type that it is attached to: a function, a tracepoint's typedef.
    var typeID: UInt32 = 0
    /// freplace: the program that is replaced, and `typeID` is in its BTF.
    var target: Program?
    /// A BTF descriptor of `TinyTypes`, where the program must have types.
    var types: Int32?

    /// - Throws: `EINVAL` no such type, or it cannot be attached to that; `EPERM`; `ENOTSUPP`; the
    ///   verifier's last line is the log.
    func load() throws(BPFError) -> Program {
        // BPF_ALU64 | BPF_MOV | BPF_K, and BPF_JMP | BPF_EXIT, as the kernel's little-endian words.
        // BPF_JMP | BPF_CALL is 0x85.
        let first = call.map { 0x85 | UInt64($0) << 32 } ?? 0xb7 | UInt64(result) << 32
        let instructions: [UInt64] = [first, 0x95]
        let function: [UInt32] = [0, TinyTypes.function]  // struct bpf_func_info
        var log = [CChar](repeating: 0, count: 8192)
        let loaded = unsafe instructions.withUnsafeBytes { instructions in
            unsafe function.withUnsafeBytes { function in
                unsafe log.withUnsafeMutableBufferPointer { log in
                    // SAFETY: the kernel copies program and types and writes the log within the
                    // call.
                    var options = unsafe bpf_prog_load_opts()
                    unsafe options.sz = MemoryLayout<bpf_prog_load_opts>.size
                    unsafe options.expected_attach_type = bpf_attach_type(
                        rawValue: attachType.rawValue)
                    unsafe options.attach_btf_id = typeID
                    unsafe options.attach_prog_fd = UInt32(target?.descriptor.raw ?? 0)
                    unsafe options.log_buf = log.baseAddress
                    unsafe options.log_size = UInt32(log.count)
                    if let types {
                        unsafe options.prog_btf_fd = UInt32(types)
                        unsafe options.func_info = function.baseAddress
                        unsafe options.func_info_cnt = 1
                        unsafe options.func_info_rec_size = UInt32(function.count)
                    }
                    return unsafe bpf_prog_load(
                        bpf_prog_type(rawValue: type.rawValue), "apiary_try", "GPL",
                        instructions.baseAddress?.assumingMemoryBound(to: bpf_insn.self), 2,
                        &options)
                }
            }
        }
        guard loaded >= 0 else {
            throw BPFError(
                "bpf_prog_load", Errno(rawValue: -loaded), log: Self.complaint(in: log))
        }
        return try Program(owning: FileDescriptor(owning: loaded))
    }

    /// The last line of the verifier's that is not statistics.
    private static func complaint(in log: [CChar]) -> String? {
        let text = String(
            decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.split(separator: "\n").last { !$0.hasPrefix("processed ") }.map(String.init)
    }
}
