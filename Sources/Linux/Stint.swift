internal import Glibc
internal import Synchronization

/// How long a thread has been at one piece of work, for a watchdog. Any thread.
public final class Stint: Sendable {
    /// Of the monotonic clock; 0 between two pieces of work.
    private let began = Atomic<UInt64>(0)

    /// Idle.
    public init() {}

    /// Does a piece of work on the thread that it belongs to.
    public func run<Result, Failure>(_ work: () throws(Failure) -> Result) throws(Failure) -> Result
    {
        let outer = Self.current
        Self.current = self
        advance()
        defer {
            began.store(0, ordering: .relaxed)
            Self.current = outer
        }
        return try work()
    }

    /// A step of the work is done, of as many as a client may have asked for: what is left is
    /// counted from now.
    public func advance() { began.store(Clock.monotonicNanoseconds(), ordering: .relaxed) }

    /// When the piece of work, or its last step, was begun; nil between two pieces.
    public var beganNanoseconds: UInt64? {
        let began = began.load(ordering: .relaxed)
        return began == 0 ? nil : began
    }

    /// False between two pieces of work.
    public func isLonger(thanSeconds limit: UInt64) -> Bool {
        guard let began = beganNanoseconds else { return false }
        return Clock.monotonicNanoseconds() > began + limit * 1_000_000_000
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key, nil)
        guard result == 0 else { preconditionFailure("pthread_key_create: \(result)") }
        return key
    }()

    /// What the calling thread is at.
    public private(set) static var current: Stint? {
        get {
            // SAFETY: `run` keeps it until it has put the outer one back.
            unsafe pthread_getspecific(key).map { pointer in
                unsafe Unmanaged<Stint>.fromOpaque(pointer).takeUnretainedValue()
            }
        }
        set {
            let pointer = unsafe newValue.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
            unsafe pthread_setspecific(key, pointer)
        }
    }
}
