import Glibc
import HTTP
import Linux
import Testing

@Suite struct StopTests {
    @Test func `stopping ends waiting streams and waiting workers`() throws {
        let streams = (0..<20).map { _ in TestStream() }
        let latch = Latch()
        let server = try TestServer { head in
            if head.segments == ["worker"] {
                return worker { _ in
                    latch.pass()
                    return text("late")
                }
            }
            return quick { request in
                let index = request.head.segments.first.flatMap { Int($0) } ?? 0
                return Response(status: 200, body: .stream(streams[index]))
            }
        }
        let clients = try streams.indices.map { index in
            let client = index.isMultiple(of: 2) ? try server.connect() : try server.connectTCP()
            client.send("GET /\(index) HTTP/1.1\r\nHost: a\r\n\r\n")
            return client
        }
        let slow = try server.connect()
        slow.send("GET /worker HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { streams.allSatisfy(\.waits) && latch.waiting == 1 })
        server.server.stop(deadlineMilliseconds: 50)
        #expect(streams.allSatisfy { $0.closedCount == 1 })
        for client in clients { #expect(try !client.answer().isComplete) }
        #expect(slow.isClosed())
        // What comes late finds nobody, and harms nobody.
        for stream in streams { stream.write("late") }
        latch.open()
        #expect(eventually { latch.waiting == 0 })
        #expect(!FileSystem.exists(server.path))
        #expect(throws: Errno.self) { _ = try server.connectTCP() }
    }

    @Test func `a running request is finished, a new one refused, and an ended stream complete`()
        throws
    {
        let latch = Latch()
        let stream = TestStream()
        let server = try TestServer { head in
            switch head.segments.first {
            case "slow":
                worker { _ in
                    latch.pass()
                    return text("finished")
                }
            case "stream": quick { _ in Response(status: 200, body: .stream(stream)) }
            default: quick { _ in text("quick") }
            }
        }
        let slow = try server.connect()
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        let reader = try server.connect()
        reader.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        let idle = try server.connect()
        #expect(try idle.request("GET /").text == "quick")
        #expect(eventually { latch.waiting == 1 && stream.waits })
        let stopping = try NamedThread("stopper") {
            server.server.stop(deadlineMilliseconds: 20_000)
        }
        #expect(eventually { !FileSystem.exists(server.path) })
        let refused = try idle.request("GET /")
        #expect(refused.status == 503)
        #expect(refused.header("connection") == "close")
        stream.write("last words", then: .end)
        latch.open()
        #expect(try slow.answer().text == "finished")
        let answer = try reader.answer()
        #expect(answer.isComplete && answer.text == "last words")
        stopping.join()
    }

    @Test func `a stream that came too late to be sent is closed`() throws {
        let latch = Latch()
        let stream = TestStream()
        let server = try TestServer { _ in
            worker { _ in
                latch.pass()
                return Response(status: 200, body: .stream(stream))
            }
        }
        let client = try server.connect()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { latch.waiting == 1 })
        server.server.stop(deadlineMilliseconds: 0)
        #expect(client.isClosed())
        #expect(stream.closedCount == 0)
        latch.open()
        #expect(eventually { stream.closedCount == 1 })
    }

    @Test func `stopping twice is fine, and so is a server that nobody stopped`() throws {
        let server = try TestServer { _ in quick { _ in text("ok") } }
        server.server.stop(deadlineMilliseconds: 100)
        server.server.stop(deadlineMilliseconds: 100)
        let other = try TestServer { _ in quick { _ in text("ok") } }
        #expect(try other.connect().request("GET /").status == 200)
    }
}
