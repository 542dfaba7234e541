internal import Glibc
internal import Linux

/// State behind a lock that threads can wait on (pthread_cond_t; `Mutex` has no condition).
@safe final class Monitor<State>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    init(_ state: State) {
        self.state = state
        unsafe lock = .allocate(capacity: 1)
        unsafe changed = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_mutex_init(lock, nil)
        unsafe pthread_cond_init(changed, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    /// Changes the state and wakes one of those who wait.
    func change<Result>(_ body: (inout State) -> Result) -> Result {
        unsafe pthread_mutex_lock(lock)
        defer {
            unsafe pthread_cond_signal(changed)
            unsafe pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Changes the state and wakes all who wait.
    func changeForAll<Result>(_ body: (inout State) -> Result) -> Result {
        unsafe pthread_mutex_lock(lock)
        defer {
            unsafe pthread_cond_broadcast(changed)
            unsafe pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Asks `body`, again after each change, until it gives a value; `nil` past the deadline.
    /// - Parameter deadline: of `Clock.monotonicNanoseconds`; `nil` waits for ever.
    func wait<Result>(until deadline: UInt64?, _ body: (inout State) -> Result?) -> Result? {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        while true {
            if let result = body(&state) { return result }
            guard let deadline else {
                unsafe pthread_cond_wait(changed, lock)
                continue
            }
            var time = timespec(
                tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
            if unsafe pthread_cond_timedwait(changed, lock, &time) == ETIMEDOUT {
                return body(&state)
            }
        }
    }

    deinit {
        unsafe pthread_cond_destroy(changed)
        unsafe pthread_mutex_destroy(lock)
        unsafe changed.deallocate()
        unsafe lock.deallocate()
    }
}
