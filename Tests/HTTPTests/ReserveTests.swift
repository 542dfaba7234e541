import HTTP
import Testing

/// Whatever happens on TCP, whoever comes over the Unix socket gets in.
@Suite struct ReserveTests {
    private func place(_ place: Admission.Plan.Place, _ handle: @escaping @Sendable () -> Void)
        -> Admission
    {
        .accept(
            .init(body: .none, bodyLimit: 0, place: place) { _ in
                handle()
                return text("done")
            })
    }

    @Test func `TCP that keeps all threads at work and all queues full leaves the reserve`() throws
    {
        var limits = ServerLimits()
        limits.workers = 2
        limits.loadWorkers = 1
        limits.queuedRequests = 4
        let latch = Latch()
        let server = try TestServer(limits: limits) { head in
            let wanted: Admission.Plan.Place = head.segments.last == "load" ? .load : .worker
            return place(wanted) { if head.segments.first == "slow" { latch.pass() } }
        }
        defer { latch.open() }
        var clients: [TestClient] = []
        func flood(_ path: String, _ count: Int) throws {
            for _ in 0..<count {
                let client = try server.connectTCP()
                client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                clients.append(client)
            }
        }
        try flood("/slow/work", 8)
        try flood("/slow/load", 8)
        #expect(eventually { latch.waiting == 3 })
        for _ in 0..<3 {
            #expect(try server.connect().request("GET /quick/work").text == "done")
            #expect(try server.connect().request("GET /quick/load").text == "done")
        }
        // Two workers, one for loads, four that wait for each: the others were refused meanwhile.
        latch.open()
        let answers = try clients.map { try $0.answer().status }
        // A thread that was not quick enough to take its first job costs a place more.
        #expect((5...8).contains(answers.count { $0 == 429 }), "\(answers)")
    }

    @Test func `a full TCP listener leaves the Unix socket's connections`() throws {
        var limits = ServerLimits()
        limits.connections = 16
        let server = try TestServer(limits: limits) { _ in quick { _ in text("quick") } }
        let clients = try (0..<40).map { _ in try server.connectTCP() }
        for _ in 0..<5 { #expect(try server.connect().request("GET /").text == "quick") }
        #expect(clients.count == 40)
    }

    @Test func `a watchdog is told what hangs`() throws {
        var limits = ServerLimits()
        limits.workers = 1
        let latch = Latch()
        let server = try TestServer(limits: limits) { head in
            head.segments == ["work"] ? place(.worker) { latch.pass() } : quick { _ in text("") }
        }
        #expect(server.server.stalled(afterSeconds: 0, quietSeconds: 0) == [])
        let client = try server.connect()
        client.send("GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(eventually { latch.waiting == 1 })
        #expect(
            eventually {
                server.server.stalled(afterSeconds: 0, quietSeconds: 0)
                    == ["http-worker runs a handler for over 0 s"]
            })
        #expect(server.server.stalled(afterSeconds: 1000, quietSeconds: 0) == [])
        latch.open()
        #expect(try client.answer().status == 200)
    }
}
