internal import CLibbpf
internal import Glibc
internal import Linux
internal import Synchronization

/// One CPU's ring of a perf event array: a `PERF_COUNT_SW_BPF_OUTPUT` event with its buffer.
///
/// The kernel's layout (linux/perf_event.h, `struct perf_event_mmap_page`): a page with positions,
/// then the data, which is not mapped twice, so that a record that wraps is copied together.
@safe
final class PerfRing {
    /// Offsets in the first page.
    private enum Page {
        static let dataHead = 1024
        static let dataTail = 1032
        static let dataOffset = 1040
    }
    private static let sample: UInt32 = 9
    private static let lost: UInt32 = 2
    private static let headerBytes = 8

    /// A sample that was found and is not taken yet.
    // SAFETY: `record` lies in the ring or its scratch, unchanged until the next call of `next`.
    @safe struct Sample {
        var nanoseconds: UInt64
        var record: UnsafeRawBufferPointer
        /// The ring's position behind it.
        var after: UInt64
    }

    let cpu: Int32
    let event: FileDescriptor
    private let dataBytes: Int
    private let mapBytes: Int
    // SAFETY: the mapping is this object's from init to deinit; the kernel writes the data below
    // the head that it publishes, and nothing below the tail that is stored here.
    private let base: UnsafeMutableRawPointer
    private let data: UnsafeMutableRawPointer
    private let scratch: UnsafeMutableRawPointer
    private let head: UnsafePointer<Atomic<UInt64>>
    private let tail: UnsafePointer<Atomic<UInt64>>
    /// Up to where records were taken; released later.
    private(set) var position: UInt64
    /// Up to where the present round looks.
    private var end: UInt64 = 0
    /// By the kernel's records of loss.
    private(set) var lostRecords: UInt64 = 0
    private let readsLosses: Bool

    /// - Parameter dataBytes: a power of two, at least a page.
    /// - Throws: `ENODEV` the CPU is offline; `EMFILE`; `ENOMEM`, `EPERM` (`perf_event_mlock_kb`).
    init(cpu: Int32, dataBytes: Int) throws(BPFError) {
        self.cpu = cpu
        self.dataBytes = dataBytes
        do {
            event = try Self.open(cpu, readsLosses: true)
            readsLosses = true
        } catch {
            // Before 6.0 there is no PERF_FORMAT_LOST.
            guard error.errno == .einval else { throw error }
            event = try Self.open(cpu, readsLosses: false)
            readsLosses = false
        }
        mapBytes = PageSize.bytes + dataBytes
        let address = unsafe mmap(
            nil, mapBytes, PROT_READ | PROT_WRITE, MAP_SHARED, event.raw, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw BPFError("mmap", Errno.current)
        }
        unsafe base = address
        let offset = unsafe Int(address.load(fromByteOffset: Page.dataOffset, as: UInt64.self))
        unsafe data = address + (offset == 0 ? PageSize.bytes : offset)
        unsafe head = UnsafePointer(
            (address + Page.dataHead).assumingMemoryBound(to: Atomic<UInt64>.self))
        unsafe tail = UnsafePointer(
            (address + Page.dataTail).assumingMemoryBound(to: Atomic<UInt64>.self))
        // A perf record's size has 16 bits.
        unsafe scratch = .allocate(byteCount: 1 << 16, alignment: 8)
        position = 0
    }

    deinit {
        unsafe _ = munmap(base, mapBytes)
        unsafe scratch.deallocate()
    }

    private static func open(_ cpu: Int32, readsLosses: Bool) throws(BPFError) -> FileDescriptor {
        var attributes = perf_event_attr()
        attributes.size = UInt32(MemoryLayout<perf_event_attr>.size)
        attributes.type = PERF_TYPE_SOFTWARE.rawValue
        attributes.config = UInt64(PERF_COUNT_SW_BPF_OUTPUT.rawValue)
        attributes.sample_type = UInt64(
            PERF_SAMPLE_RAW.rawValue | PERF_SAMPLE_TIME.rawValue)
        attributes.sample_period = 1
        attributes.wakeup_events = 1
        attributes.use_clockid = 1
        attributes.clockid = CLOCK_MONOTONIC
        // PERF_FORMAT_LOST, which older headers lack.
        if readsLosses { attributes.read_format = 1 << 4 }
        let raw = unsafe apiary_perf_event_open(
            &attributes, -1, cpu, -1, UInt(PERF_FLAG_FD_CLOEXEC))
        return FileDescriptor(owning: try checkErrno("perf_event_open", raw))
    }

    func enable() throws(BPFError) {
        try checkErrno("ioctl(PERF_EVENT_IOC_ENABLE)", apiary_perf_event_enable(event.raw))
    }

    /// Records that the kernel had no room for, since the ring was made.
    var allLostRecords: UInt64 {
        guard readsLosses else { return lostRecords }
        var values: (UInt64, UInt64) = (0, 0)
        // SAFETY: read_format has the event's count and PERF_FORMAT_LOST: two words.
        let count = unsafe Glibc.read(event.raw, &values, 16)
        return count == 16 ? max(values.1, lostRecords) : lostRecords
    }

    /// Begins a round: what is there now.
    func begin() { end = unsafe head.pointee.load(ordering: .acquiring) }

    var isEmpty: Bool { unsafe head.pointee.load(ordering: .acquiring) == position }

    /// The next sample of the round; counts losses on its way.
    func next() -> Sample? {
        while position < end {
            let type = word(position)
            let size = Int(word(position + 4) >> 16)
            precondition(size >= Self.headerBytes, "a perf record of \(size) at \(position)")
            let after = position + UInt64(size)
            if type == Self.sample {
                let bytes = unsafe contiguous(position, size)
                let time = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                let length = unsafe Int(bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
                precondition(20 + length <= size, "\(length) bytes in a perf record of \(size)")
                return unsafe Sample(
                    nanoseconds: time,
                    record: UnsafeRawBufferPointer(rebasing: bytes[20..<20 + length]),
                    after: after)
            }
            if type == Self.lost {
                let bytes = unsafe contiguous(position, size)
                lostRecords += unsafe bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
            }
            position = after
        }
        return nil
    }

    func take(upTo after: UInt64) { position = after }

    /// Gives the space of what was taken back.
    func release() { unsafe tail.pointee.store(position, ordering: .releasing) }

    private func word(_ position: UInt64) -> UInt32 {
        // Records are aligned to eight: these four bytes do not wrap.
        unsafe data.load(
            fromByteOffset: Int(position & UInt64(dataBytes - 1)), as: UInt32.self)
    }

    private func contiguous(_ position: UInt64, _ size: Int) -> UnsafeRawBufferPointer {
        let start = Int(position & UInt64(dataBytes - 1))
        let first = min(size, dataBytes - start)
        guard first < size else {
            return unsafe UnsafeRawBufferPointer(start: data + start, count: size)
        }
        unsafe scratch.copyMemory(from: data + start, byteCount: first)
        unsafe (scratch + first).copyMemory(from: data, byteCount: size - first)
        return unsafe UnsafeRawBufferPointer(start: scratch, count: size)
    }
}
