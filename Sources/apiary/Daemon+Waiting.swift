internal import API
internal import HTTP
internal import Linux

extension Daemon {
    /// Beyond what a load may take, a handler that still runs has hung.
    private static let hungAfterSeconds: UInt64 = 120

    /// Waits for the signal to stop. Where the service supervisor watches us it is told that all is
    /// well, three times as often as it wants, and only after every thread has made progress.
    func wait(_ server: Server, _ service: Service, _ supervisor: Supervisor) {
        let interval = supervisor.watchdogNanoseconds.map { $0 / 3 }
        let limit =
            UInt64(configuration.integer("loader_deadline_ms") / 1000) + Self.hungAfterSeconds
        while true {
            switch Signal.next(timeoutNanoseconds: interval) {
            case nil: feed(server, service, supervisor, limit)
            case .interrupt, .terminate: return
            case .hangUp: reload(service)
            }
        }
    }

    private func feed(
        _ server: Server, _ service: Service, _ supervisor: Supervisor, _ limit: UInt64
    ) {
        let quiet = (supervisor.watchdogNanoseconds ?? 0) / 1_000_000_000
        let stalled =
            server.stalled(afterSeconds: limit, quietSeconds: quiet)
            + service.stalled(afterSeconds: limit)
        guard stalled.isEmpty else {
            log.critical(
                "the watchdog is not fed",
                metadata: ["stalled": "\(stalled.joined(separator: "; "))"])
            return
        }
        // Where the pump or the keeper hangs, so do we, and the supervisor ends us.
        service.waitForThreads()
        supervisor.notify("WATCHDOG=1")
    }
}
