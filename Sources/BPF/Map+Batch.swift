internal import CLibbpf
internal import Linux

/// Where a walk by batches has come to; a new one starts at the first entry.
public struct MapCursor: Sendable {
    // The kernel's token: a bucket number (4 bytes) for hash maps, else a key.
    fileprivate var token: [UInt8] = []

    public init() {}

    /// Whether a batch was taken already.
    public var isStarted: Bool { !token.isEmpty }
}

/// What one batch gave.
public enum MapBatch: Sendable, Hashable {
    /// So many entries, and there may be more.
    case entries(Int)
    /// So many entries, which were the last.
    case end(Int)
    /// A bucket of the hash map has more entries than the buffers: double them and ask again. The
    /// cursor has not moved.
    case buffersTooSmall
    /// This kernel, or this type of map, has no batches: go on by `advance` and `lookup`.
    case unsupported
}

extension Map {
    /// Copies the next entries into `keys` and `values`, as many as fit both (`info.keySize` and
    /// `lookupBytes` each), and moves `cursor`. Allocates nothing but the cursor's first token.
    ///
    /// Other writers go on meanwhile: an entry that is there all the time is given once, one that
    /// comes or goes may be missed.
    /// - Throws: `EPERM`, `EINTR`, `EFAULT`.
    /// - Note: Kernel 5.6 (hash, array), 5.13 (per-CPU array). Calls `bpf_map_lookup_batch`; one
    ///   call for 4096 entries takes about a millisecond.
    public func lookupBatch(
        keys: inout MutableSpan<UInt8>, values: inout MutableSpan<UInt8>, cursor: inout MapCursor
    ) throws(BPFError) -> MapBatch {
        guard info.keySize > 0, lookupBytes > 0 else { return .unsupported }
        let room = min(keys.count / info.keySize, values.count / lookupBytes)
        precondition(room > 0, "no room for a single entry")
        var count = UInt32(clamping: room)
        let isFirst = !cursor.isStarted
        if isFirst { cursor.token = [UInt8](repeating: 0, count: max(4, info.keySize)) }
        let result = unsafe cursor.token.withUnsafeMutableBufferPointer { token in
            unsafe keys.withUnsafeMutableBufferPointer { keys in
                unsafe values.withUnsafeMutableBufferPointer { values in
                    // SAFETY: the kernel writes at most `count` keys and values; token in and out
                    // may be one buffer, since it is read before it is written.
                    unsafe bpf_map_lookup_batch(
                        descriptor.raw, isFirst ? nil : token.baseAddress, token.baseAddress,
                        keys.baseAddress, values.baseAddress, &count, nil)
                }
            }
        }
        switch -result {
        case 0: return .entries(Int(count))
        case ENOENT: return .end(Int(count))
        case ENOSPC:
            if isFirst { cursor.token = [] }
            return .buffersTooSmall
        case Errno.enotsupp.rawValue, EOPNOTSUPP:
            cursor.token = []
            return .unsupported
        case EINVAL where isFirst:
            // Before 5.6 the command itself is unknown.
            cursor.token = []
            return .unsupported
        default: throw BPFError("bpf_map_lookup_batch", Errno(rawValue: -result))
        }
    }
}

/// What a batch of changes came to: so many entries from the start were done, then one was refused.
public struct MapBatchOutcome: Sendable, Hashable {
    public let done: Int
    /// Why entry number `done` was not; nil where all were.
    public let error: BPFError?
}

extension Map {
    /// Writes entries in their order, as `update` with `any` would one by one, up to the first that
    /// the kernel refuses; nil where the kernel or the type has no batches, and nothing was done.
    /// - Note: Kernel 5.6. Calls `bpf_map_update_batch`.
    public func updateBatch(keys: Span<UInt8>, values: Span<UInt8>) -> MapBatchOutcome? {
        precondition(
            keys.count / info.keySize == values.count / lookupBytes,
            "\(keys.count) bytes of keys, \(values.count) of values")
        return batch("bpf_map_update_batch", keys.count / info.keySize) { count in
            unsafe keys.withUnsafeBufferPointer { keys in
                unsafe values.withUnsafeBufferPointer { values in
                    unsafe bpf_map_update_batch(
                        descriptor.raw, keys.baseAddress, values.baseAddress, &count, nil)
                }
            }
        }
    }

    /// Deletes entries in their order up to the first that is not there (`ENOENT`) or is refused.
    public func deleteBatch(keys: Span<UInt8>) -> MapBatchOutcome? {
        batch("bpf_map_delete_batch", keys.count / info.keySize) { count in
            unsafe keys.withUnsafeBufferPointer { keys in
                unsafe bpf_map_delete_batch(descriptor.raw, keys.baseAddress, &count, nil)
            }
        }
    }

    private func batch(
        _ call: String, _ count: Int, _ body: (inout UInt32) -> Int32
    ) -> MapBatchOutcome? {
        var done = UInt32(clamping: count)
        let result = body(&done)
        if result >= 0 { return MapBatchOutcome(done: count, error: nil) }
        let errno = Errno(rawValue: -result)
        // Where the call itself is refused the kernel leaves the count as it was.
        if Int(done) >= count {
            if [.enotsupp, .eopnotsupp, .einval].contains(errno) { return nil }
            done = 0
        }
        return MapBatchOutcome(done: Int(done), error: BPFError(call, errno))
    }
}
