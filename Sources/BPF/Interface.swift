public import BTF
public import Linux

/// A call into the kernel or libbpf that was refused.
public struct BPFError: Error, Sendable, CustomStringConvertible {
    /// The kernel's or libbpf's name of the call, `bpf_link_create`.
    public let call: String
    public let errno: Errno
    /// What the kernel or libbpf said beside it.
    public let log: String?
    public init(_ call: String, _ errno: Errno, log: String? = nil) {
        self.call = call
        self.errno = errno
        self.log = log
    }
    public var description: String { "\(call): \(errno)" }
}

public struct MapType: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// bpftool's name, `percpu_hash`; `type 99` where this build knows none.
    public var name: String { preconditionFailure("unwritten") }
    public var isPerCPU: Bool { preconditionFailure("unwritten") }
    public static let hash = MapType(rawValue: 1)
    public static let array = MapType(rawValue: 2)
    public static let ringbuf = MapType(rawValue: 27)
}

public struct MapInfo: Sendable {
    public let id: UInt32
    public let type: MapType
    public let name: String
    public let keySize: Int
    public let valueSize: Int
    public let maxEntries: Int
    public let flags: UInt32
    public let btfID: UInt32
    public let btfKeyType: UInt32
    public let btfValueType: UInt32
}

/// A map by its descriptor. Safe from any thread: the kernel orders the accesses.
public final class Map: Sendable {
    public let info: MapInfo
    /// Bytes that a lookup gives: `valueSize`, or for a per-CPU map `valueSize` rounded up to 8 for
    /// each possible CPU.
    public var lookupBytes: Int { preconditionFailure("unwritten") }
    public init(pinned path: String) throws(BPFError) { preconditionFailure("unwritten") }
    public init(id: UInt32) throws(BPFError) { preconditionFailure("unwritten") }
    /// `nil` where there is no such entry (ENOENT).
    public func lookup(_ key: Span<UInt8>) throws(BPFError) -> [UInt8]? { preconditionFailure("unwritten") }
    public enum UpdateMode: UInt64, Sendable { case any = 0, create = 1, update = 2 }
    public func update(_ key: Span<UInt8>, _ value: Span<UInt8>, _ mode: UpdateMode)
        throws(BPFError)
    { preconditionFailure("unwritten") }
    /// False where there was no such entry.
    public func delete(_ key: Span<UInt8>) throws(BPFError) -> Bool { preconditionFailure("unwritten") }
    /// The key after this one, the first for `nil`; `nil` at the end. A key that vanished restarts.
    public func nextKey(after key: [UInt8]?) throws(BPFError) -> [UInt8]? { preconditionFailure("unwritten") }
    /// Memory in bytes as the kernel accounts it, from fdinfo `memlock`.
    public func memoryBytes() -> Int? { preconditionFailure("unwritten") }
}

public enum PossibleCPUs {
    /// From /sys/devices/system/cpu/possible, once.
    public static let count: Int = 1
}

public struct ProgramInfo: Sendable {
    public let id: UInt32
    /// The kernel's BPF_PROG_TYPE number.
    public let type: UInt32
    public let typeName: String
    public let name: String
    /// 16 hex digits.
    public let tag: String
    public let btfID: UInt32
    public let loadedBytes: Int  // xlated
    public let jitedBytes: Int
    public let verifiedInstructions: Int
    public let runCount: UInt64
    public let runTimeNanoseconds: UInt64
    public let recursionMisses: UInt64
    public let mapIDs: [UInt32]
}

/// A loaded function by its descriptor.
public final class Program: Sendable {
    public init(pinned path: String) throws(BPFError) { preconditionFailure("unwritten") }
    public func info() throws(BPFError) -> ProgramInfo { preconditionFailure("unwritten") }
}

public struct LinkInfo: Sendable {
    public let id: UInt32
    /// bpftool's name: `perf_event`, `raw_tracepoint`, `tracing`, `uprobe_multi`, …
    public let typeName: String
    public let programID: UInt32
}

/// An attachment that the kernel holds as long as somebody holds the link or its pin.
public final class Link: Sendable {
    public init(pinned path: String) throws(BPFError) { preconditionFailure("unwritten") }
    public func info() throws(BPFError) -> LinkInfo { preconditionFailure("unwritten") }
    public func pin(_ path: String) throws(BPFError) { preconditionFailure("unwritten") }
    /// Waits until no link with `id` is left in the kernel, after pin and descriptors are gone.
    /// False after `timeoutMilliseconds`. Blocks.
    public static func waitUntilGone(id: UInt32, timeoutMilliseconds: Int) -> Bool {
        preconditionFailure("unwritten")
    }
}

/// Where a function is attached: one case a kind, only what the kernel needs (symbols are offsets).
public enum AttachTarget: Sendable, Hashable {
    case tracepoint(category: String, name: String)
    case rawTracepoint(name: String)
    case tracing  // tp_btf, fentry, fexit: the target is the function's
    case uprobe(binary: String, offset: UInt64, processID: Int32?, isReturn: Bool)
}

extension Program {
    /// Attaches and gives the link, not yet pinned. `isPinnable` is false where the kernel has no
    /// link for the kind and the descriptor itself holds the attachment.
    public func attach(to target: AttachTarget, cookie: UInt64?) throws(BPFError) -> Link {
        preconditionFailure("unwritten")
    }
}

public enum KernelTypes {
    /// The BTF with this id, from the kernel. - Throws: `ENOENT`, `EPERM`.
    public static func types(id: UInt32) throws(BPFError) -> BTFTypes { preconditionFailure("unwritten") }
    /// /sys/kernel/btf/vmlinux, parsed once, 5 MB: 100 ms.
    public static func vmlinux() throws(BPFError) -> BTFTypes { preconditionFailure("unwritten") }
}

/// What this host can do, found out by trying.
public struct Ability: Sendable {
    public enum State: String, Sendable { case available, unavailable, unknown }
    public let kind: String
    public let state: State
    public let errno: Errno?
    public let reason: String?
    public let needs: String?
}

public enum HostProbe {
    /// One row for each attach kind. Loads and attaches tiny programs; 10 to 200 ms; blocks.
    public static func attachKinds() -> [Ability] { preconditionFailure("unwritten") }
    public static func mapTypes() -> [Ability] { preconditionFailure("unwritten") }
}

/// A BPF ring buffer, consumed by one thread.
public final class RingBuffer: @unchecked Sendable {
    public let map: Map
    /// Readable (epoll) when records are there.
    public var pollDescriptor: Int32 { preconditionFailure("unwritten") }
    /// Maps the ring's consumer page and data. - Throws: `EINVAL` where the map is no ringbuf.
    public init(_ map: Map) throws(BPFError) { preconditionFailure("unwritten") }
    public var consumerPosition: UInt64 { preconditionFailure("unwritten") }
    public var producerPosition: UInt64 { preconditionFailure("unwritten") }
    public var dataBytes: Int { preconditionFailure("unwritten") }

    /// Hands each finished record from the consumer position on to `body`, in order: its bytes and
    /// the ring position just after it. Stops at an unfinished record, at the producer's position,
    /// after `limit` records, or when `body` returns false (that record is not taken).
    /// Moves nothing: call `release(upTo:)` once the records are safe.
    /// - Returns: the position up to which records were taken or skipped (discarded ones).
    public func take(
        limit: Int, _ body: (_ record: UnsafeRawBufferPointer, _ positionAfter: UInt64) -> Bool
    ) -> UInt64 { preconditionFailure("unwritten") }

    /// Gives the ring's space back to the producer.
    public func release(upTo position: UInt64) { preconditionFailure("unwritten") }
}
