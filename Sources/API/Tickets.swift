internal import Cryptography
internal import Linux
internal import Problems
internal import Synchronization

/// Tickets for streams: a browser's EventSource can send no header, so a page gets a ticket with
/// its token and puts it into the URL. It opens one stream, on one path, within 30 s.
final class Tickets: Sendable {
    private struct Ticket {
        let caller: Caller
        let path: String
        /// Monotonic.
        let expiresAt: UInt64
    }

    static let prefix = "apt_"
    static let lifeSeconds = 30
    /// Not yet used, of all callers together.
    private static let limit = 10_000
    /// Of one caller, so that none takes them all.
    private static let limitPerCaller = 1000

    private let tickets = Mutex<[[UInt8]: Ticket]>([:])

    /// - Throws: `too_many_requests` where too many wait to be used.
    func make(for caller: Caller, path: String) throws(Problem) -> String {
        let text = Secret.make(prefix: Self.prefix)
        let now = Clock.monotonicNanoseconds()
        let ticket = Ticket(
            caller: caller, path: path,
            expiresAt: now + UInt64(Self.lifeSeconds) * 1_000_000_000)
        let limit: Int? = tickets.withLock { tickets in
            if tickets.count >= Self.limitPerCaller {
                tickets = tickets.filter { $0.value.expiresAt > now }
                let own = tickets.values.count { $0.caller.credential == caller.credential }
                guard own < Self.limitPerCaller else { return Self.limitPerCaller }
            }
            guard tickets.count < Self.limit else { return Self.limit }
            tickets[SHA256.digest(of: text)] = ticket
            return nil
        }
        if let limit {
            throw Problem(
                .tooManyRequests,
                "\(limit) tickets wait to be used, the limit"
                    + (limit == Self.limitPerCaller ? " for one credential." : "."))
        }
        return text
    }

    /// Whoever made it, once. The digest is looked up: how long that takes tells nothing of a text.
    func take(_ text: String, for path: String) throws(Problem) -> Caller {
        let ticket = tickets.withLock { $0.removeValue(forKey: SHA256.digest(of: text)) }
        guard let ticket, ticket.expiresAt > Clock.monotonicNanoseconds() else {
            throw Problem(
                .unauthenticated,
                "The ticket was used, is older than \(Self.lifeSeconds) s, or wrong.")
        }
        guard ticket.path == path else {
            throw Problem(.unauthenticated, "The ticket is for \(ticket.path), not for \(path).")
        }
        return ticket.caller
    }

    /// Those of callers who may open nothing any more.
    func drop(where isOver: (Caller) -> Bool) {
        tickets.withLock { tickets in tickets = tickets.filter { !isOver($0.value.caller) } }
    }
}
