internal import CLibbpf
internal import Linux

/// The code of a function as the kernel holds it.
public struct ProgramCode: Sendable {
    /// A subprogram of its own name, or the function itself.
    public struct Part: Sendable {
        /// Of the instruction at which it begins.
        public let instruction: Int
        /// In the program's BTF.
        public let typeID: UInt32
    }

    public struct Line: Sendable {
        /// The instruction from which on it counts.
        public let instruction: Int
        /// Offset of its text in the strings of the program's BTF.
        public let text: UInt32
    }

    public let name: String
    public let btfID: UInt32
    /// After the verifier, in the kernel's words; map addresses are replaced by ids.
    public let instructions: [UInt64]
    /// Empty where the kernel hides it.
    public let machineCode: [UInt8]
    /// Bytes of it, also where it is hidden; 0 without the JIT.
    public let machineCodeBytes: Int
    /// Where the function and each subprogram lie; empty where the kernel hides it.
    public let addresses: [UInt64]
    /// Bytes of each of them, in the same order.
    public let lengths: [Int]
    public let parts: [Part]
    public let lines: [Line]
}

extension Program {
    /// Reads instructions, machine code and what the BTF says of both.
    /// - Throws: `EPERM` without CAP_BPF; `EMSGSIZE` where it is larger than `mostBytes`.
    /// - Note: Calls `bpf_prog_get_info_by_fd` twice.
    public func code(mostBytes: Int = 64 << 20) throws(BPFError) -> ProgramCode {
        var info = try information { _ in }
        let rows: [(count: Int, size: Int)] = [
            (Int(info.xlated_prog_len), 1), (Int(info.jited_prog_len), 1),
            (Int(info.nr_jited_ksyms), 8), (Int(info.nr_jited_func_lens), 4),
            (Int(info.nr_func_info), Int(info.func_info_rec_size)),
            (Int(info.nr_line_info), Int(info.line_info_rec_size)),
        ]
        var starts: [Int] = []
        var end = 0
        for row in rows {
            starts.append(end)
            end += (row.count * row.size + 7) & ~7
        }
        guard end <= mostBytes else { throw BPFError("bpf_prog_get_info_by_fd", .efbig) }
        let size = info
        var bytes = [UInt8](repeating: 0, count: max(end, 8))
        info = try unsafe bytes.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            // SAFETY: the kernel writes each table into its own part, by the counts given, while
            // the call runs.
            let base = UInt64(UInt(bitPattern: buffer.baseAddress))
            return try information { info in
                info.xlated_prog_len = size.xlated_prog_len
                info.xlated_prog_insns = base + UInt64(starts[0])
                info.jited_prog_len = size.jited_prog_len
                info.jited_prog_insns = base + UInt64(starts[1])
                info.nr_jited_ksyms = size.nr_jited_ksyms
                info.jited_ksyms = base + UInt64(starts[2])
                info.nr_jited_func_lens = size.nr_jited_func_lens
                info.jited_func_lens = base + UInt64(starts[3])
                info.nr_func_info = size.nr_func_info
                info.func_info_rec_size = size.func_info_rec_size
                info.func_info = base + UInt64(starts[4])
                info.nr_line_info = size.nr_line_info
                info.line_info_rec_size = size.line_info_rec_size
                info.line_info = base + UInt64(starts[5])
            }
        }
        func words(_ table: Int, _ count: Int, _ stride: Int, at offset: Int = 0) -> [UInt32] {
            (0..<count).map { bytes.word(starts[table] + $0 * stride + offset) }
        }
        func pairs(_ table: Int, _ count: Int) -> [UInt64] {
            (0..<count).map { index in
                let at = starts[table] + index * 8
                return UInt64(bytes.word(at)) | UInt64(bytes.word(at + 4)) << 32
            }
        }
        // What is hidden has no address any more, and its bytes stay as they were.
        let isShown = info.jited_prog_insns != 0
        let addresses = info.jited_ksyms == 0 ? [] : pairs(2, Int(info.nr_jited_ksyms))
        let parts = zip(
            words(4, Int(info.nr_func_info), rows[4].size),
            words(4, Int(info.nr_func_info), rows[4].size, at: 4))
        let lines = zip(
            words(5, Int(info.nr_line_info), rows[5].size),
            words(5, Int(info.nr_line_info), rows[5].size, at: 8))
        return ProgramCode(
            name: objectName(&info.name), btfID: info.btf_id,
            instructions: pairs(0, Int(info.xlated_prog_len) / 8),
            machineCode: isShown ? Array(bytes[starts[1]..<starts[1] + rows[1].count]) : [],
            machineCodeBytes: rows[1].count, addresses: addresses,
            lengths: words(3, Int(info.nr_jited_func_lens), 4).map(Int.init),
            parts: parts.map { ProgramCode.Part(instruction: Int($0), typeID: $1) },
            lines: lines.map { ProgramCode.Line(instruction: Int($0), text: $1) })
    }
}

extension [UInt8] {
    fileprivate func word(_ place: Int) -> UInt32 {
        UInt32(self[place]) | UInt32(self[place + 1]) << 8 | UInt32(self[place + 2]) << 16
            | UInt32(self[place + 3]) << 24
    }
}
