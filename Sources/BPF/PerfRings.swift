internal import Linux

/// The rings of a perf event array (`BPF_MAP_TYPE_PERF_EVENT_ARRAY`), one for each CPU that is
/// online, consumed by one thread.
///
/// Unlike a ring buffer they are this process's: when it ends, what lies in them is gone, and until
/// another comes the program's `bpf_perf_event_output` answers `ENOENT`.
@safe
public final class PerfRings: @unchecked Sendable {
    public let map: Map
    /// Of all rings together.
    public let dataBytes: Int
    // SAFETY: used by the thread that consumes, one at a time; the poller is thread-safe.
    private let rings: [PerfRing]
    private let poller: Poller

    /// Opens a ring for each CPU and puts it into the map.
    /// - Parameter bytesPerCPU: rounded up to a power of two of pages.
    /// - Throws: `EINVAL` where the map is no perf event array; `EMFILE`; `ENOMEM`; `EPERM`.
    public init(_ map: Map, bytesPerCPU: Int) throws(BPFError) {
        guard map.info.type == .perfEventArray else {
            throw BPFError("perf_event_open", .einval, log: "\(map.info.name) is no perf array")
        }
        var bytes = PageSize.bytes
        while bytes < bytesPerCPU { bytes *= 2 }
        do { poller = try Poller() } catch { throw BPFError("epoll_create1", error) }
        var rings: [PerfRing] = []
        for cpu in 0..<min(PossibleCPUs.count, map.info.maxEntries) {
            let ring: PerfRing
            do { ring = try PerfRing(cpu: Int32(cpu), dataBytes: bytes) } catch {
                // An offline CPU runs no program.
                if error.errno == .enodev { continue }
                throw error
            }
            let key = Self.bytes(UInt32(cpu))
            try map.update(key.span, Self.bytes(UInt32(ring.event.raw)).span, .any)
            try ring.enable()
            do { try poller.add(ring.event.raw, tag: UInt64(cpu)) } catch {
                throw BPFError("epoll_ctl", error)
            }
            rings.append(ring)
        }
        self.map = map
        self.rings = rings
        dataBytes = bytes * max(rings.count, 1)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// Readable (epoll) once after records came: who does not take all must come again by himself.
    public var pollDescriptor: Int32 { poller.raw }

    /// Records that the kernel had no room for. One read(2) a CPU; before kernel 6.0 what the rings
    /// told so far, which is not before the next record of the same CPU.
    public var lostRecords: UInt64 { rings.reduce(0) { $0 + $1.allLostRecords } }

    /// The same without asking the kernel.
    public var toldLosses: UInt64 { rings.reduce(0) { $0 + $1.lostRecords } }

    public var isEmpty: Bool { rings.allSatisfy(\.isEmpty) }

    /// Hands what lies in the rings to `body`: each CPU's records in their order, and of all CPUs
    /// the oldest first, by the kernel's monotonic time.
    ///
    /// Records that come while it runs are left for the next call: one that is older than a record
    /// already handed over can then be among them.
    /// - Parameter body: the record, readable only within the call, and its time; false: not taken.
    /// - Returns: bytes taken.
    public func take(
        limit: Int, _ body: (_ record: UnsafeRawBufferPointer, _ nanoseconds: UInt64) -> Bool
    ) -> UInt64 {
        for ring in rings { ring.begin() }
        var next = rings.map { $0.next() }
        var (taken, left): (UInt64, Int) = (0, limit)
        while left > 0 {
            var oldest = -1
            for index in rings.indices {
                guard let sample = next[index] else { continue }
                if oldest < 0 { oldest = index }
                if let best = next[oldest], sample.nanoseconds < best.nanoseconds {
                    oldest = index
                }
            }
            guard oldest >= 0, let sample = next[oldest],
                unsafe body(sample.record, sample.nanoseconds)
            else { break }
            let ring = rings[oldest]
            taken += sample.after - ring.position
            ring.take(upTo: sample.after)
            next[oldest] = ring.next()
            left -= 1
        }
        return taken
    }

    /// Takes the rings out of the map: from then on `bpf_perf_event_output` fails (`ENOENT`), but
    /// for a program that is just at it, for which this waits two milliseconds.
    public func cutOff() {
        for ring in rings {
            // What cannot be taken out stays as it is until the ring is closed.
            _ = try? map.delete(Self.bytes(UInt32(ring.cpu)).span)
        }
        Clock.sleep(nanoseconds: 2_000_000)
    }

    /// Gives the space of all that was taken back to the kernel.
    public func release() { for ring in rings { ring.release() } }
}
