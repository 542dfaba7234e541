internal import CLibbpf
internal import Glibc
internal import Linux

extension Map {
    /// Writes bytes into the first value of an array in place, so that what a program writes beside
    /// them meanwhile stays; where the map cannot be mapped (before 5.5), by reading and writing
    /// the whole value, which may undo such a write.
    /// - Throws: `EPERM` frozen; `EACCES` read-only for user space.
    public func store(_ bytes: Span<UInt8>, at offset: Int) throws(BPFError) {
        precondition(
            offset >= 0 && offset + bytes.count <= info.valueSize,
            "\(bytes.count) bytes at \(offset) of \(info.valueSize)")
        let mmapable: UInt32 = 1 << 10
        guard info.flags & mmapable != 0 else { return try rewrite(bytes, at: offset) }
        let size = (info.valueSize + PageSize.bytes - 1) / PageSize.bytes * PageSize.bytes
        let memory = unsafe mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.raw, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            throw BPFError("mmap", Errno.current)
        }
        defer { unsafe _ = munmap(memory, size) }
        // SAFETY: the mapping has at least `valueSize` bytes and ends with this function. Programs
        // read it meanwhile: a variable of 1, 2, 4 or 8 bytes at its alignment is stored at once.
        let place = unsafe memory + offset
        let isAligned = Int(bitPattern: place) % bytes.count.nonzero == 0
        unsafe bytes.withUnsafeBytes { source in
            switch bytes.count {
            case 2 where isAligned:
                unsafe place.storeBytes(of: source.loadUnaligned(as: UInt16.self), as: UInt16.self)
            case 4 where isAligned:
                unsafe place.storeBytes(of: source.loadUnaligned(as: UInt32.self), as: UInt32.self)
            case 8 where isAligned:
                unsafe place.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
            default:
                if let base = source.baseAddress {
                    unsafe place.copyMemory(from: base, byteCount: source.count)
                }
            }
        }
    }

    private func rewrite(_ bytes: Span<UInt8>, at offset: Int) throws(BPFError) {
        let key: [UInt8] = [0, 0, 0, 0]
        guard var value = try lookup(key.span) else {
            throw BPFError("bpf_map_lookup_elem", .enoent)
        }
        for index in bytes.indices { value[offset + index] = bytes[index] }
        try update(key.span, value.span, .any)
    }

    /// Puts one record into a user ring buffer.
    /// - Throws: `ENOSPC` the program has not made room; `E2BIG` larger than the ring; `EBUSY`.
    /// - Note: Kernel 6.1. Calls `user_ring_buffer__reserve`.
    public func pushToUserRing(_ record: Span<UInt8>) throws(BPFError) {
        guard let ring = unsafe user_ring_buffer__new(descriptor.raw, nil) else {
            throw BPFError("user_ring_buffer__new", Errno.current)
        }
        defer { unsafe user_ring_buffer__free(ring) }
        let size = UInt32(clamping: record.count)
        guard let place = unsafe user_ring_buffer__reserve(ring, size) else {
            throw BPFError("user_ring_buffer__reserve", Errno.current)
        }
        unsafe record.withUnsafeBytes { source in
            // SAFETY: the reservation has as many bytes, and is ours until it is submitted.
            if let base = source.baseAddress {
                unsafe place.copyMemory(from: base, byteCount: source.count)
            }
        }
        unsafe user_ring_buffer__submit(ring, place)
    }
}

extension Int {
    /// For divisions.
    fileprivate var nonzero: Int { self == 0 ? 1 : self }
}
