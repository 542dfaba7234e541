internal import CLibbpf

/// A place of a USDT probe.
public struct UserStaticPoint: Sendable, Hashable {
    /// In the file, not an address.
    public let offset: UInt64
    /// Of the semaphore in the file; 0: none.
    public let referenceCounterOffset: UInt64
    /// nil also works on kernels without cookies.
    public let cookie: UInt64?

    public init(offset: UInt64, referenceCounterOffset: UInt64, cookie: UInt64?) {
        self.offset = offset
        self.referenceCounterOffset = referenceCounterOffset
        self.cookie = cookie
    }
}

extension Program {
    /// - Throws: as `attachUprobe` and `attachUprobeMulti`; `EINVAL` also where the semaphore is at
    ///   no place of the file that can be counted; `E2BIG` one beyond the first 4 GiB.
    func attachUserStatic(
        _ binary: String, _ points: [UserStaticPoint], processID: Int32?, isMulti: Bool
    ) throws(BPFError) -> Link {
        if isMulti {
            return try attachUprobeMulti(
                UprobeMulti(
                    binary: binary, offsets: points.map(\.offset), processID: processID,
                    isReturn: false,
                    referenceCounterOffsets: points.map(\.referenceCounterOffset)),
                .traceUprobeMulti, cookies: points.map { $0.cookie ?? 0 })
        }
        precondition(points.count == 1, "\(points.count) places for one uprobe")
        let point = points[0]
        guard let counter = UInt32(exactly: point.referenceCounterOffset) else {
            throw BPFError("perf_event_open", .e2big, log: "a semaphore beyond the first 4 GiB")
        }
        return try attachUprobe(
            Uprobe(
                binary: binary, offset: point.offset, referenceCounterOffset: counter,
                processID: processID, isReturn: false),
            cookie: point.cookie)
    }
}
