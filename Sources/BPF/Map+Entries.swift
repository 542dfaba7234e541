internal import CLibbpf
internal import Linux

/// One entry at a time. A key has exactly `info.keySize` bytes and a value `lookupBytes`: whoever
/// gives another number has not validated what came from outside, and the process stops.
extension Map {
    /// What an update does where the key is there, or is not.
    public enum UpdateMode: UInt64, Sendable {
        /// `BPF_ANY`.
        case any = 0
        /// `BPF_NOEXIST`: `EEXIST` where the key is there.
        case create = 1
        /// `BPF_EXIST`: `ENOENT` where it is not.
        case update = 2
    }

    /// The value, `lookupBytes` long; `nil` where there is no such entry (ENOENT).
    /// - Throws: `EPERM` write-only map; `EOPNOTSUPP`, `ENOTSUPP` the type has no lookup.
    public func lookup(_ key: Span<UInt8>) throws(BPFError) -> [UInt8]? {
        requireKey(key.count)
        let capacity = lookupBytes
        var result: Int32 = 0
        let value = unsafe key.withUnsafeBufferPointer { key in
            unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                // SAFETY: the kernel writes lookupBytes on success and nothing else.
                result = unsafe bpf_map_lookup_elem(
                    descriptor.raw, address(key), buffer.baseAddress)
                count = result == 0 ? capacity : 0
            }
        }
        return try found("bpf_map_lookup_elem", result) ? value : nil
    }

    /// Writes the value to the first `lookupBytes` of `value`; allocates nothing.
    /// False where there is no such entry; then `value` is as it was.
    public func lookup(_ key: Span<UInt8>, into value: inout MutableSpan<UInt8>)
        throws(BPFError) -> Bool
    {
        requireKey(key.count)
        requireRoom(value.count)
        let result = unsafe key.withUnsafeBufferPointer { key in
            unsafe value.withUnsafeMutableBufferPointer { value in
                unsafe bpf_map_lookup_elem(descriptor.raw, address(key), value.baseAddress)
            }
        }
        return try found("bpf_map_lookup_elem", result)
    }

    /// - Throws: `EEXIST`, `ENOENT` by `mode`; `E2BIG` the map is full, or the index of an array is
    ///   beyond it; `ENOMEM`; `EBUSY`; `EPERM` frozen; `EINVAL` the type takes no such update.
    public func update(_ key: Span<UInt8>, _ value: Span<UInt8>, _ mode: UpdateMode)
        throws(BPFError)
    {
        requireKey(key.count)
        precondition(
            value.count == lookupBytes,
            "a value of \(value.count) bytes for a map that takes \(lookupBytes)")
        let result = unsafe key.withUnsafeBufferPointer { key in
            unsafe value.withUnsafeBufferPointer { value in
                unsafe bpf_map_update_elem(
                    descriptor.raw, address(key), value.baseAddress, mode.rawValue)
            }
        }
        try check("bpf_map_update_elem", result)
    }

    /// False where there was no such entry.
    /// - Throws: `EINVAL` for arrays, whose entries cannot go; `EPERM` frozen.
    public func delete(_ key: Span<UInt8>) throws(BPFError) -> Bool {
        requireKey(key.count)
        let result = unsafe key.withUnsafeBufferPointer { key in
            unsafe bpf_map_delete_elem(descriptor.raw, key.baseAddress)
        }
        return try found("bpf_map_delete_elem", result)
    }

    /// The key after this one, the first for `nil`; `nil` at the end. A key that vanished restarts.
    public func nextKey(after key: [UInt8]?) throws(BPFError) -> [UInt8]? {
        var next = [UInt8](repeating: 0, count: info.keySize)
        var span = next.mutableSpan
        guard let key else { return try firstKey(into: &span) ? next : nil }
        requireKey(key.count)
        let result = unsafe key.withUnsafeBufferPointer { key in
            unsafe span.withUnsafeMutableBufferPointer { next in
                unsafe bpf_map_get_next_key(
                    descriptor.raw, key.baseAddress, next.baseAddress)
            }
        }
        return try found("bpf_map_get_next_key", result) ? next : nil
    }

    /// Writes the first key; false where the map is empty. Allocates nothing.
    public func firstKey(into key: inout MutableSpan<UInt8>) throws(BPFError) -> Bool {
        requireKey(key.count)
        let result = unsafe key.withUnsafeMutableBufferPointer { key in
            unsafe bpf_map_get_next_key(descriptor.raw, nil, key.baseAddress)
        }
        return try found("bpf_map_get_next_key", result)
    }

    /// Replaces the key by the one after it; false at the end. Allocates nothing.
    public func advance(_ key: inout MutableSpan<UInt8>) throws(BPFError) -> Bool {
        requireKey(key.count)
        let result = unsafe key.withUnsafeMutableBufferPointer { key in
            // The kernel copies the key before it writes the next one, so one buffer will do.
            unsafe bpf_map_get_next_key(descriptor.raw, key.baseAddress, key.baseAddress)
        }
        return try found("bpf_map_get_next_key", result)
    }

    /// Looks up and deletes in one step: pops of a queue or stack (with an empty key), and takes
    /// from a hash map since 5.14. False where nothing is there.
    public func take(_ key: Span<UInt8>, into value: inout MutableSpan<UInt8>)
        throws(BPFError) -> Bool
    {
        requireKey(key.count)
        requireRoom(value.count)
        let result = unsafe key.withUnsafeBufferPointer { key in
            unsafe value.withUnsafeMutableBufferPointer { value in
                unsafe bpf_map_lookup_and_delete_elem(
                    descriptor.raw, address(key), value.baseAddress)
            }
        }
        return try found("bpf_map_lookup_and_delete_elem", result)
    }

    /// Maps without keys want NULL, and an empty span may have an address.
    private func address(_ key: UnsafeBufferPointer<UInt8>) -> UnsafePointer<UInt8>? {
        key.isEmpty ? nil : key.baseAddress
    }

    private func found(_ call: StaticString, _ result: Int32) throws(BPFError) -> Bool {
        if result == -ENOENT { return false }
        try check(call, result)
        return true
    }

    private func requireKey(_ count: Int) {
        precondition(
            count == info.keySize, "a key of \(count) bytes for a map that takes \(info.keySize)")
    }

    private func requireRoom(_ count: Int) {
        precondition(
            count >= lookupBytes, "room for \(count) bytes where a lookup gives \(lookupBytes)")
    }
}
