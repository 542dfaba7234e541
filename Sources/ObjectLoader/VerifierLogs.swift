internal import CLibbpf
internal import Loading

/// The buffers into which the kernel's verifier writes.
///
/// `brief`: one buffer for all functions, asked for only when one was refused, because libbpf then
/// loads it again with log level 1; the first refusal ends the load, so one is enough. `full`: one
/// for each function. The pages come into being as they are written. Kernels before 6.4 keep a
/// log's start and fail with ENOSPC where it does not fit: so the buffers are as large as any
/// kernel takes.
@safe struct VerifierLogs: ~Copyable {
    /// libbpf's BPF_LOG_BUF_SIZE, the most that kernels up to 5.1 take.
    private static let mostBytes = Int(UInt32.max >> 8)
    private static let allBytes = 1 << 30
    private static let briefTail = 64 << 10
    private static let fullTail = 1 << 20

    private let buffers: [UnsafeMutablePointer<CChar>]
    private let bytesEach: Int
    private let mode: LoadRequest.VerifierLog

    init(_ mode: LoadRequest.VerifierLog, functions: Int) {
        let count = mode == .full ? max(1, functions) : 1
        self.mode = mode
        bytesEach = min(Self.mostBytes, Self.allBytes / count)
        // SAFETY: owned by this value and lent to libbpf by `use`, which writes during a load.
        var buffers: [UnsafeMutablePointer<CChar>] = unsafe []
        for _ in 0..<count {
            let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: bytesEach)
            unsafe buffer[0] = 0
            unsafe buffers.append(buffer)
        }
        unsafe self.buffers = unsafe buffers
    }

    deinit {
        for index in unsafe buffers.indices { unsafe buffers[index].deallocate() }
    }

    /// Makes the kernel write what it says of a function into its buffer.
    func use(for program: OpaquePointer, index: Int) {
        let buffer = unsafe buffers[mode == .full ? index : 0]
        // It refuses only a size without a buffer and the reverse.
        _ = unsafe bpf_program__set_log_buf(program, buffer, bytesEach)
        if mode == .full { _ = unsafe bpf_program__set_log_level(program, 1 | 4) }
    }

    /// The log of a function that was loaded; `nil` unless `full`.
    func ofLoaded(_ index: Int) -> String? {
        mode == .full ? tail(index, Self.fullTail) : nil
    }

    /// The log of the function that was refused, whether or not it is wanted in the answer.
    func ofRefused(_ index: Int) -> String? {
        mode == .full ? tail(index, Self.fullTail) : tail(0, Self.briefTail)
    }

    private func tail(_ index: Int, _ most: Int) -> String? {
        let buffer = unsafe buffers[index]
        var length = 0
        // SAFETY: bounded by the buffer's size, also where the kernel left out the final NUL.
        while unsafe length < bytesEach && buffer[length] != 0 { length += 1 }
        guard length > 0 else { return nil }
        let start = max(0, length - most)
        let bytes = unsafe UnsafeRawBufferPointer(start: buffer + start, count: length - start)
        let text = unsafe bytes.drop { start > 0 && $0 != UInt8(ascii: "\n") }
        return unsafe String(decoding: text, as: UTF8.self)
    }
}
