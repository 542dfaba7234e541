internal import CLibbpf
internal import Linux

/// What a run on given bytes gave.
public struct TestRun: Sendable {
    /// What the program returned.
    public let returnValue: UInt32
    /// The mean of all repetitions.
    public let durationNanoseconds: UInt32
    /// The packet as the program left it.
    public let data: [UInt8]
}

extension Program {
    /// Runs the program in the kernel on a packet of `data`, `repetitions` times in a row.
    /// - Parameter data: for packet programs at least 14 bytes; empty for those without a packet.
    /// - Parameter context: the program's context structure, where its type takes one.
    /// - Throws: `ENOTSUPP`, `EOPNOTSUPP` the type cannot be run so; `EINVAL` the sizes do not fit.
    /// - Note: Kernel 4.12; `BPF_PROG_TEST_RUN`. Blocks as long as the program runs.
    public func testRun(
        data: [UInt8] = [], context: [UInt8] = [], repetitions: Int32 = 1
    ) throws(BPFError) -> TestRun {
        var options = unsafe bpf_test_run_opts()
        unsafe options.sz = MemoryLayout<bpf_test_run_opts>.size
        unsafe options.`repeat` = repetitions
        // A program may put headers before the packet: the kernel needs room to give them back.
        var output = [UInt8](repeating: 0, count: data.isEmpty ? 0 : data.count + 512)
        let result = unsafe data.withUnsafeBufferPointer { data in
            unsafe context.withUnsafeBufferPointer { context in
                unsafe output.withUnsafeMutableBufferPointer { output in
                    // SAFETY: the kernel copies in and out within this call, by the sizes given.
                    if !data.isEmpty {
                        unsafe options.data_in = UnsafeRawPointer(data.baseAddress)
                        unsafe options.data_size_in = UInt32(data.count)
                        unsafe options.data_out = UnsafeMutableRawPointer(output.baseAddress)
                        unsafe options.data_size_out = UInt32(output.count)
                    }
                    if !context.isEmpty {
                        unsafe options.ctx_in = UnsafeRawPointer(context.baseAddress)
                        unsafe options.ctx_size_in = UInt32(context.count)
                    }
                    return unsafe bpf_prog_test_run_opts(descriptor.raw, &options)
                }
            }
        }
        try check("bpf_prog_test_run_opts", result)
        return unsafe TestRun(
            returnValue: options.retval, durationNanoseconds: options.duration,
            data: Array(output.prefix(Int(options.data_size_out))))
    }
}
