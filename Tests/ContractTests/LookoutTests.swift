import Linux
import Synchronization
import Testing

@testable import ControlPlane

@Suite struct LookoutTests {
    /// A change that is at work holds what is to be looked at, and may wake nobody at its end.
    @Test func `what could not be looked at is looked at again, as after an event`() throws {
        let reasons = Mutex<[Lookout.Reason]>([])
        let second = ThreadGate()
        let lookout = try Lookout { reason in
            let count = reasons.withLock { reasons in
                reasons.append(reason)
                return reasons.count
            }
            if count == 2 { second.open() }
            return count == 1 ? .again : .nothing
        }
        second.wait()
        lookout.stop()
        #expect(reasons.withLock { $0.prefix(2) } == [.event, .event])
    }
}
