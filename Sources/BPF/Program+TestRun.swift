internal import CLibbpf
internal import Linux

/// What a run is to be given.
public struct TestRunInput: Sendable {
    /// A packet; empty: none.
    public var data: [UInt8] = []
    /// The program's context structure; empty: none.
    public var context: [UInt8] = []
    /// Whether the kernel is asked for the context as the program left it.
    public var wantsContext = false
    /// 0 where the type knows no repetitions.
    public var repetitions: Int32 = 1
    /// `BPF_F_TEST_…`.
    public var flags: UInt32 = 0
    /// Counts with `BPF_F_TEST_RUN_ON_CPU` only.
    public var cpu: UInt32 = 0
    /// Counts with `BPF_F_TEST_XDP_LIVE_FRAMES` only.
    public var batchSize: UInt32 = 0

    public init() {}
}

/// What a run on given bytes gave.
public struct TestRun: Sendable {
    /// What the program returned.
    public let returnValue: UInt32
    /// The mean of all repetitions.
    public let durationNanoseconds: UInt32
    /// The packet as the program left it.
    public let data: [UInt8]
    /// The context as the program left it; as it was given where the kernel does not tell.
    public let context: [UInt8]
}

extension Program {
    /// Runs the program in the kernel on a packet of `data`, `repetitions` times in a row.
    /// - Parameter data: for packet programs at least 14 bytes; empty for those without a packet.
    /// - Throws: as `testRun(_:)`.
    public func testRun(data: [UInt8] = [], repetitions: Int32 = 1) throws(BPFError) -> TestRun {
        var input = TestRunInput()
        input.data = data
        input.repetitions = repetitions
        return try testRun(input)
    }

    /// Runs the program in the kernel.
    /// - Throws: `ENOTSUPP`, `EOPNOTSUPP` the type cannot be run so; `EINVAL` the sizes or options
    ///   do not fit the type.
    /// - Note: Kernel 4.12; `BPF_PROG_TEST_RUN`. Blocks as long as the program runs.
    public func testRun(_ input: TestRunInput) throws(BPFError) -> TestRun {
        // A program may put headers before the packet: the kernel needs room to give them back.
        var output = [UInt8](repeating: 0, count: input.data.isEmpty ? 0 : input.data.count + 512)
        // A syscall program's context is written back in place.
        var context = input.context
        var after = [UInt8](repeating: 0, count: input.wantsContext ? context.count : 0)
        var options = unsafe bpf_test_run_opts()
        unsafe options.sz = MemoryLayout<bpf_test_run_opts>.size
        unsafe options.`repeat` = input.repetitions
        unsafe options.flags = input.flags
        unsafe options.cpu = input.cpu
        unsafe options.batch_size = input.batchSize
        let result = unsafe input.data.withUnsafeBufferPointer { data in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe context.withUnsafeMutableBufferPointer { context in
                    unsafe after.withUnsafeMutableBufferPointer { after in
                        // SAFETY: the kernel copies in and out within this call, by the sizes
                        // given.
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
                        if !after.isEmpty {
                            unsafe options.ctx_out = UnsafeMutableRawPointer(after.baseAddress)
                            unsafe options.ctx_size_out = UInt32(after.count)
                        }
                        return unsafe bpf_prog_test_run_opts(descriptor.raw, &options)
                    }
                }
            }
        }
        try check("bpf_prog_test_run_opts", result)
        let changed =
            unsafe input.wantsContext ? Array(after.prefix(Int(options.ctx_size_out))) : context
        return unsafe TestRun(
            returnValue: options.retval, durationNanoseconds: options.duration,
            data: Array(output.prefix(Int(options.data_size_out))), context: changed)
    }
}
