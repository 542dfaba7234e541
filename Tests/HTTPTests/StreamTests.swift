import Glibc
import HTTP
import Linux
import Synchronization
import Testing

/// A stream that a test writes to from its own thread.
final class TestStream: ResponseStream {
    private struct State {
        var bytes: [UInt8] = []
        var end: StreamStep?
        var wake: (@Sendable () -> Void)?
        var closed = 0
        var calls = 0
    }
    private let state = Mutex(State())

    func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
        -> StreamStep
    {
        let (bytes, step) = state.withLock { state -> ([UInt8], StreamStep) in
            state.calls += 1
            let bytes = Array(state.bytes.prefix(buffer.freeCapacity))
            state.bytes.removeFirst(bytes.count)
            if !state.bytes.isEmpty { return (bytes, .more) }
            if let end = state.end { return (bytes, end) }
            state.wake = wake
            return (bytes, .wait)
        }
        for byte in bytes { buffer.append(byte) }
        return step
    }

    func closed() { state.withLock { $0.closed += 1 } }
    var closedCount: Int { state.withLock { $0.closed } }
    var calls: Int { state.withLock { $0.calls } }
    var waits: Bool { state.withLock { $0.wake != nil } }

    func write(_ text: String, then end: StreamStep? = nil) {
        let wake = state.withLock { state in
            state.bytes += Array(text.utf8)
            state.end = end
            defer { state.wake = nil }
            return state.wake
        }
        wake?()
    }
}

/// A server that answers with these streams, `/0`, `/1` and so on.
private func serve(_ streams: [any ResponseStream], limits: ServerLimits = ServerLimits()) throws
    -> TestServer
{
    try TestServer(limits: limits) { head in
        quick { request in
            guard let index = request.head.segments.first.flatMap({ Int($0) }) else {
                return text("no stream")
            }
            return Response(
                status: 200, headers: [("Content-Type", "application/x-ndjson")],
                body: .stream(streams[index]))
        }
    }
}

@Suite struct StreamTests {
    @Test func `pieces arrive as they are written, and the end with the last chunk`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        for client in [try server.connect()] {
            client.send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try client.head()
            #expect(head.header("transfer-encoding") == "chunked")
            for number in 0..<200 {
                stream.write("line \(number)\n")
                #expect(client.chunk() == Array("line \(number)\n".utf8))
            }
            stream.write("last", then: .end)
            #expect(client.chunk() == Array("last".utf8))
            #expect(client.chunk() == [])
            #expect(eventually { stream.closedCount == 1 })
            // The connection goes on.
            #expect(try client.request("GET /").text == "no stream")
        }
        #expect(stream.closedCount == 1)
    }

    @Test func `a large stream arrives whole`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        let piece = String(repeating: "0123456789abcdef", count: 100_000)
        stream.write(piece, then: .end)
        let answer = try server.connect().request("GET /0")
        #expect(answer.isComplete)
        #expect(answer.text == piece)
    }

    @Test func `an aborted stream has no last chunk`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        let client = try server.connect()
        client.send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { stream.waits })
        stream.write("half of a", then: .abort)
        let answer = try client.answer()
        #expect(answer.text == "half of a")
        #expect(!answer.isComplete)
        #expect(eventually { stream.closedCount == 1 })
    }

    @Test func `curl sees the truncation of an aborted stream`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        stream.write("half of a", then: .abort)
        let exit = try server.curl("-N", path: "/0")
        #expect(exit.reason == .exited(18))  // CURLE_PARTIAL_FILE
        #expect(String(decoding: exit.output, as: UTF8.self) == "half of a")
    }

    @Test func `HTTP 1.0 gets the bytes and the end of the connection`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        let client = try server.connect()
        client.send("GET /0 HTTP/1.0\r\n\r\n")
        #expect(eventually { stream.waits })
        stream.write("one ")
        #expect(eventually { stream.waits })
        stream.write("two", then: .end)
        let answer = try client.answer()
        #expect(answer.header("transfer-encoding") == nil)
        #expect(answer.text == "one two")
        #expect(client.isClosed())
        #expect(stream.closedCount == 1)
    }

    @Test func `HEAD of a stream closes it unasked`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        let client = try server.connect()
        #expect(try client.request("HEAD /0").status == 200)
        #expect(eventually { stream.closedCount == 1 })
        #expect(stream.calls == 0)
    }

    @Test func `a client that goes away closes its waiting stream once`() throws {
        let streams = [TestStream(), TestStream()]
        let server = try serve(streams)
        for (index, stream) in streams.enumerated() {
            var client: TestClient? = index == 0 ? try server.connect() : try server.connectTCP()
            client?.send("GET /\(index) HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(eventually { stream.waits })
            client = nil
            #expect(eventually { stream.closedCount == 1 })
            stream.write("to nobody")
        }
        #expect(try server.connect().request("GET /").text == "no stream")
        #expect(streams.map(\.closedCount) == [1, 1])
    }

    @Test func `a client that goes away while it is sent to closes its stream`() throws {
        let stream = TestStream()
        let server = try serve([stream])
        stream.write(String(repeating: "x", count: 10 << 20))
        var client: TestClient? = try server.connect()
        client?.send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try client?.head()
        client = nil
        #expect(eventually { stream.closedCount == 1 })
    }

    @Test func `a client that takes nothing loses its stream`() throws {
        var limits = ServerLimits()
        limits.writeStallSeconds = 1
        let stream = TestStream()
        let server = try serve([stream], limits: limits)
        stream.write(String(repeating: "x", count: 10 << 20))
        let client = try server.connect()
        client.send("GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { stream.closedCount == 1 })
        _ = client
    }

    @Test func `a stream may wake before it waits, and from many threads`() throws {
        final class Restless: ResponseStream {
            let count = Atomic<Int>(0)
            let closings = Atomic<Int>(0)
            func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
                -> StreamStep
            {
                let number = count.wrappingAdd(1, ordering: .relaxed).newValue
                if number > 5000 { return .end }
                wake()
                if number.isMultiple(of: 3) { buffer.append(UInt8(ascii: "x")) }
                if number.isMultiple(of: 7) { _ = try? NamedThread("waker") { wake() } }
                return number.isMultiple(of: 11) ? .more : .wait
            }
            func closed() { closings.wrappingAdd(1, ordering: .relaxed) }
        }
        let stream = Restless()
        let server = try serve([stream])
        let answer = try server.connect().request("GET /0")
        #expect(answer.isComplete)
        #expect(answer.body.count == 5000 / 3)
        #expect(eventually { stream.closings.load(ordering: .relaxed) == 1 })
    }

    @Test func `500 streams are woken from one thread`() throws {
        let streams = (0..<500).map { _ in TestStream() }
        let server = try serve(streams)
        let clients = try streams.indices.map { index in
            let client =
                index.isMultiple(of: 2) ? try server.connect() : try server.connectTCP()
            client.send("GET /\(index) HTTP/1.1\r\nHost: a\r\n\r\n")
            return client
        }
        #expect(eventually { streams.allSatisfy(\.waits) })
        for round in 0..<5 {
            for stream in streams { stream.write("round \(round)\n") }
        }
        for stream in streams { stream.write("end\n", then: .end) }
        let expected = (0..<5).map { "round \($0)\n" }.joined() + "end\n"
        for client in clients {
            let answer = try client.answer()
            #expect(answer.isComplete && answer.text == expected)
        }
        #expect(eventually { streams.allSatisfy { $0.closedCount == 1 } })
    }
}
