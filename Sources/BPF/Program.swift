internal import CLibbpf
public import Linux

/// What the kernel says of a loaded function (`struct bpf_prog_info`), at one moment.
public struct ProgramInfo: Sendable {
    /// The kernel's id, reused after the program is gone: never a name.
    public let id: UInt32
    /// The kernel's BPF_PROG_TYPE number.
    public let type: UInt32
    /// libbpf's name of the type, `raw_tracepoint`.
    public let typeName: String
    /// At most 15 bytes: the kernel cuts longer names.
    public let name: String
    /// 16 hex digits: a digest of the instructions.
    public let tag: String
    /// 0 where the program has no BTF.
    public let btfID: UInt32
    /// Bytes of the instructions as the verifier left them (`xlated_prog_len`).
    public let loadedBytes: Int
    /// Bytes of machine code; 0 without the JIT.
    public let jitedBytes: Int
    /// Instructions that the verifier went through; 0 before 5.16.
    public let verifiedInstructions: Int
    /// Runs while statistics were on (`RunStatistics`).
    public let runCount: UInt64
    /// Time in the program while statistics were on.
    public let runTimeNanoseconds: UInt64
    /// Runs left out because the program was running on that CPU already; kernel 5.12.
    public let recursionMisses: UInt64
    /// Who loaded it.
    public let userID: UInt32
    /// The maps that the program uses.
    public let mapIDs: [UInt32]
    /// Nanoseconds of the boot-time clock at which it was loaded.
    public let loadedAtBoottimeNanoseconds: UInt64
    /// Whether its license lets it call GPL-only kernel functions.
    public let isGPLCompatible: Bool
}

/// A loaded function by its descriptor. Safe from any thread.
///
/// The kernel keeps it as long as this object lives, its pin exists or a link uses it.
public final class Program: Sendable {
    let descriptor: FileDescriptor

    /// Opens the program pinned at `path`.
    /// - Throws: `ENOENT` no such pin; `EINVAL` the pin is not a program's; `EPERM`.
    public convenience init(pinned path: String) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(owning: check("bpf_obj_get", unsafe bpf_obj_get(path))))
    }

    /// - Throws: `ENOENT` no such program; `EPERM` without CAP_SYS_ADMIN.
    public convenience init(id: UInt32) throws(BPFError) {
        try self.init(
            owning: FileDescriptor(
                owning: check("bpf_prog_get_fd_by_id", bpf_prog_get_fd_by_id(id))))
    }

    /// Takes over a descriptor of a program. - Throws: `EINVAL` where it is none of a program.
    public init(owning descriptor: consuming FileDescriptor) throws(BPFError) {
        try DescriptorKind.require(.program, of: descriptor.raw)
        self.descriptor = descriptor
    }

    /// The descriptor's number, for prog arrays. Lent: good as long as this object lives.
    public var lentDescriptor: Int32 { descriptor.raw }

    /// Asks the kernel; the counters are of this moment.
    /// - Note: Calls `bpf_prog_get_info_by_fd` once, twice where the program uses maps.
    public func info() throws(BPFError) -> ProgramInfo {
        var raw = try information { _ in }
        var mapIDs: [UInt32] = []
        if raw.nr_map_ids > 0 {
            mapIDs = [UInt32](repeating: 0, count: Int(raw.nr_map_ids))
            let count = raw.nr_map_ids
            raw = try withIDs(&mapIDs) { address throws(BPFError) in
                try information { info in
                    info.nr_map_ids = count
                    info.map_ids = address
                }
            }
        }
        return ProgramInfo(
            id: raw.id, type: raw.type, typeName: ProgramType(rawValue: raw.type).name,
            name: objectName(&raw.name), tag: hexadecimal(&raw.tag), btfID: raw.btf_id,
            loadedBytes: Int(raw.xlated_prog_len), jitedBytes: Int(raw.jited_prog_len),
            verifiedInstructions: Int(raw.verified_insns), runCount: raw.run_cnt,
            runTimeNanoseconds: raw.run_time_ns, recursionMisses: raw.recursion_misses,
            userID: raw.created_by_uid, mapIDs: mapIDs, loadedAtBoottimeNanoseconds: raw.load_time,
            isGPLCompatible: raw.gpl_compatible != 0)
    }

    /// The function's own name, from the program's BTF where the kernel cut its copy at 15 bytes.
    public func fullName(_ info: ProgramInfo) throws(BPFError) -> String {
        guard info.name.utf8.count == 15, info.btfID != 0 else { return info.name }
        var record: [UInt32] = [0, 0]  // struct bpf_func_info
        let count = try unsafe record.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            // SAFETY: the kernel writes one record of 8 bytes within the call.
            let address = UInt64(UInt(bitPattern: buffer.baseAddress))
            return try information { info in
                info.nr_func_info = 1
                info.func_info_rec_size = 8
                info.func_info = address
            }.nr_func_info
        }
        guard count > 0 else { return info.name }
        let name = try KernelTypes.types(id: info.btfID).name(of: record[1])
        return name.hasPrefix(info.name) ? name : info.name
    }

    /// Bytes of kernel memory, as the kernel accounts them (fdinfo `memlock`).
    public func memoryBytes() -> Int? {
        DescriptorKind.information(of: descriptor.raw, "memlock").flatMap { Int($0) }
    }

    /// Pins the program at `path` in a bpffs.
    /// - Throws: `EEXIST`; `EPERM` where `path` is in no bpffs, and for a name with a dot.
    public func pin(_ path: String) throws(BPFError) {
        try check("bpf_obj_pin", unsafe bpf_obj_pin(descriptor.raw, path))
    }

    /// - Parameter prepare: sets the addresses and counts of what is wanted beside the numbers.
    func information(_ prepare: (inout bpf_prog_info) -> Void) throws(BPFError)
        -> bpf_prog_info
    {
        var info = bpf_prog_info()
        prepare(&info)
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        try check(
            "bpf_prog_get_info_by_fd",
            unsafe bpf_prog_get_info_by_fd(descriptor.raw, &info, &length))
        return info
    }

    private func withIDs(
        _ ids: inout [UInt32], _ body: (UInt64) throws(BPFError) -> bpf_prog_info
    ) throws(BPFError) -> bpf_prog_info {
        // SAFETY: the kernel writes into the array only while `body` runs.
        try unsafe ids.withUnsafeMutableBufferPointer { buffer throws(BPFError) in
            try body(UInt64(UInt(bitPattern: buffer.baseAddress)))
        }
    }
}

/// While one of these lives the kernel counts runs and run time of every program: two clock
/// readings, some 20 ns, a run.
public final class RunStatistics: Sendable {
    private let descriptor: FileDescriptor

    /// - Throws: `EPERM`; `EINVAL` before 5.8.
    public init() throws(BPFError) {
        descriptor = FileDescriptor(
            owning: try check("bpf_enable_stats", bpf_enable_stats(BPF_STATS_RUN_TIME)))
    }
}

private func hexadecimal<T>(_ field: inout T) -> String {
    unsafe withUnsafeBytes(of: &field) { bytes in
        // SAFETY: the bytes are the caller's structure, turned into text here.
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for index in bytes.indices {
            let byte = unsafe bytes[index]
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
