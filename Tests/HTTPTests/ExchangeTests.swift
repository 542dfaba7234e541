import Glibc
import HTTP
import Linux
import Testing

@Suite struct ExchangeTests {
    @Test func `a request is answered with what the handler says`() throws {
        let server = try TestServer { _ in quick(echo) }
        for connect in server.listeners {
            let client = try connect()
            let answer = try client.request("GET /v1/x%20y?a=1&b=c+d%2B", "X-Thing:  two  words ")
            #expect(answer.status == 200)
            #expect(answer.header("cache-control") == "no-store")
            #expect(answer.header("content-type") == "text/plain")
            #expect(answer.header("date") != nil)
            #expect(
                answer.lines == [
                    "GET /v1/x%20y", "segment v1", "segment x y", "query a=1", "query b=c d+",
                    "header host: test", "header x-thing: two  words", "no body",
                ])
        }
    }

    @Test func `HEAD has the length and no body`() throws {
        let server = try TestServer { _ in quick { _ in text("twelve bytes") } }
        let client = try server.connect()
        let head = try client.request("HEAD /")
        #expect(head.status == 200)
        #expect(head.header("content-length") == "12")
        // The connection goes on, so no byte of a body was sent.
        #expect(try client.request("GET /").text == "twelve bytes")
    }

    @Test func `a connection serves many requests and two pipelined ones in order`() throws {
        let server = try TestServer { head in
            head.segments == ["worker"]
                ? worker { _ in text("worker") } : quick { text($0.head.rawPath) }
        }
        let client = try server.connect()
        for number in 0..<20 {
            #expect(try client.request("GET /\(number)").text == "/\(number)")
        }
        client.send(
            "GET /worker HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.answer().text == "worker")
        #expect(try client.answer().text == "/second")
    }

    @Test func `HTTP 1.0 is answered and closed`() throws {
        let server = try TestServer { _ in quick { _ in text("old") } }
        let client = try server.connect()
        client.send("GET / HTTP/1.0\r\n\r\n")
        #expect(try client.answer().text == "old")
        #expect(client.isClosed())
    }

    @Test func `a sane request id is kept and another is made`() throws {
        let server = try TestServer { _ in quick { text($0.head.requestID) } }
        let client = try server.connect()
        let kept = try client.request("GET /", "X-Request-Id: abc-1.2_3")
        #expect(kept.header("x-request-id") == "abc-1.2_3")
        #expect(kept.text == "abc-1.2_3")
        let tooLong = String(repeating: "a", count: 129)
        var made: Set<String> = []
        for bad in ["", "a b", "ü", tooLong] {
            let answer = try client.request("GET /", "X-Request-Id: \(bad)")
            let id = try #require(answer.header("x-request-id"))
            #expect(id != bad && answer.text == id)
            made.insert(id)
        }
        #expect(made.count == 4)
    }

    @Test func `the peer is known on both sockets`() throws {
        let server = try TestServer { _ in quick { text("\($0.head.peer)") } }
        let id = PeerCredentials(
            processID: Int32(getpid()), userID: getuid(), groupID: getgid())
        #expect(try server.connect().request("GET /").text == "\(Peer.unix(id))")
        #expect(
            try server.connectTCP().request("GET /").text == "\(Peer.tcp(address: "127.0.0.1"))")
    }

    @Test func `a file is sent as it is`() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let server = try TestServer { _ in
            quick { _ in
                guard let file = try? MemoryFile("test", holding: bytes.span) else {
                    return text("no file", status: 500)
                }
                return Response(status: 200, body: .file(file, size: bytes.count))
            }
        }
        let answer = try server.connect().request("GET /", "Accept-Encoding: gzip")
        #expect(answer.body == bytes)
        #expect(answer.header("content-encoding") == nil)
    }

    @Test func `workers run in parallel while quick requests go on`() throws {
        var limits = ServerLimits()
        limits.workers = 3
        let latch = Latch()
        let server = try TestServer(limits: limits) { head in
            head.segments == ["slow"]
                ? worker { _ in
                    latch.pass()
                    return text("slow")
                } : quick { _ in text("quick") }
        }
        let slow = try (0..<3).map { _ in
            let client = try server.connect()
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            return client
        }
        #expect(eventually { latch.waiting == 3 })
        #expect(try server.connect().request("GET /quick").text == "quick")
        latch.open()
        for client in slow { #expect(try client.answer().text == "slow") }
    }

    @Test func `a full queue is refused and loads have their own`() throws {
        var limits = ServerLimits()
        limits.workers = 1
        limits.loadWorkers = 1
        limits.queuedRequests = 1
        limits.reservedWorkers = 0
        let latch = Latch()
        let server = try TestServer(limits: limits) { head in
            if head.segments == ["load"] {
                return .accept(
                    .init(body: .none, bodyLimit: 0, place: .load) { _ in text("load") })
            }
            return worker { _ in
                latch.pass()
                return text("done")
            }
        }
        var clients: [TestClient] = [try server.connect()]
        clients[0].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { latch.waiting == 1 })
        clients.append(try server.connect())
        clients[1].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        // The second one waits in the queue as soon as a third one is refused.
        #expect(
            eventually {
                let client = try? server.connect()
                client?.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                if let client { clients.append(client) }
                return clients.count >= 4
            })
        #expect(try server.connect().request("GET /load").text == "load")
        latch.open()
        let answers = try clients.map { try $0.answer().status }.sorted()
        #expect(answers.filter { $0 == 200 }.count == 2)
        #expect(answers.filter { $0 == 429 }.count == clients.count - 2)
    }

    @Test func `bytes over 1 KiB are sent as gzip to those who take it`() throws {
        let body = String(repeating: "compressible ", count: 500)
        let server = try TestServer { head in
            head.segments == ["worker"] ? worker { _ in text(body) } : quick { _ in text(body) }
        }
        for path in ["/", "/worker"] {
            let client = try server.connect()
            let plain = try client.request("GET \(path)")
            #expect(plain.text == body)
            #expect(plain.headers.filter { $0.name == "vary" }.map(\.value) == ["Accept-Encoding"])
            let refused = try client.request("GET \(path)", "Accept-Encoding: gzip;q=0, br")
            #expect(refused.text == body)
            let packed = try client.request("GET \(path)", "Accept-Encoding: br, gzip;q=0.5")
            #expect(packed.header("content-encoding") == "gzip")
            #expect(packed.body.count < 1000)
            #expect(packed.body.prefix(2) == [0x1f, 0x8b])
            let exit = try server.curl("--compressed", path: path)
            #expect(String(decoding: exit.output, as: UTF8.self) == body)
        }
    }

    @Test func `an idle connection is closed, and one over the limit waits`() throws {
        var limits = ServerLimits()
        limits.idleSeconds = 1
        limits.connections = 16
        let server = try TestServer(limits: limits) { _ in quick { _ in text("ok") } }
        let first = try (0..<16).map { _ in try server.connect() }
        for client in first { #expect(try client.request("GET /").text == "ok") }
        let late = try server.connect()
        // Answered as soon as the idle ones are closed.
        #expect(try late.request("GET /").text == "ok")
        #expect(first.allSatisfy { $0.isClosed() })
    }
}
