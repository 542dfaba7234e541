import Glibc
import HTTP
import Linux
import Synchronization
import Testing

/// Streams that all wait for the same, and what happened in which order.
private final class Crowd: Sendable {
    private struct State {
        var wakes: [@Sendable () -> Void] = []
        var served = 0
        var closed = 0
    }
    private let state = Mutex(State())
    let pieces: Int
    let first: @Sendable () -> Void

    /// - Parameters:
    ///   - pieces: that each stream gives after the wake, one a call.
    ///   - first: called with the first of all.
    init(pieces: Int, first: @escaping @Sendable () -> Void = {}) {
        self.pieces = pieces
        self.first = first
    }

    var waiting: Int { state.withLock { $0.wakes.count } }
    var served: Int { state.withLock { $0.served } }
    var closed: Int { state.withLock { $0.closed } }

    func wakeAll() {
        let wakes = state.withLock { state in
            defer { state.wakes = [] }
            return state.wakes
        }
        for wake in wakes { wake() }
    }

    final class Stream: ResponseStream {
        private let crowd: Crowd
        private let given = Mutex(-1)
        init(_ crowd: Crowd) { self.crowd = crowd }

        func next(into buffer: inout OutputSpan<UInt8>, wake: @escaping @Sendable () -> Void)
            -> StreamStep
        {
            let number = given.withLock { given in
                defer { given += 1 }
                return given
            }
            if number < 0 {
                crowd.state.withLock { $0.wakes.append(wake) }
                return .wait
            }
            if number == crowd.pieces { return .end }
            let isFirst = crowd.state.withLock { state in
                state.served += 1
                return state.served == 1
            }
            if isFirst { crowd.first() }
            for byte in "line\n".utf8 { buffer.append(byte) }
            return .more
        }

        func closed() { crowd.state.withLock { $0.closed += 1 } }
    }
}

/// Answers `/stream` with a stream of the crowd, and all else with how many pieces were given then.
private func serve(_ crowd: Crowd) throws -> TestServer {
    try TestServer { head in
        quick { request in
            guard request.head.segments == ["stream"] else { return text("\(crowd.served)") }
            return Response(status: 200, body: .stream(Crowd.Stream(crowd)))
        }
    }
}

@Suite(.enabled(if: ProcessLimits.raise() >= 4096, "at least 4096 descriptors are needed"))
struct StreamTurnsTests {
    /// - Returns: how many pieces were given before a request that came with the first.
    private func servedBefore(streams: Int, pieces: Int) throws -> (Int, of: Int) {
        let socket = Atomic<Int32>(-1)
        let sent = Atomic<Int>(0)
        let crowd = Crowd(pieces: pieces) {
            // On the HTTP thread itself: it is there before any other stream is served.
            let request = Array("GET /count HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            let count = unsafe request.withUnsafeBytes { bytes in
                unsafe Glibc.send(
                    socket.load(ordering: .acquiring), bytes.baseAddress, bytes.count, 0)
            }
            sent.store(count, ordering: .releasing)
        }
        let server = try serve(crowd)
        let asker = try server.connect()
        #expect(try asker.request("GET /count").text == "0")
        socket.store(asker.descriptor, ordering: .releasing)
        let readers = try (0..<streams).map { _ in
            let reader = try server.connect()
            reader.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            return reader
        }
        #expect(eventually { crowd.waiting == streams })
        crowd.wakeAll()
        let count = try #require(Int(try asker.answer().text))
        for reader in readers {
            let answer = try reader.answer()
            #expect(answer.isComplete)
            #expect(answer.text == String(repeating: "line\n", count: pieces))
        }
        #expect(eventually { crowd.closed == streams })
        #expect(sent.load(ordering: .acquiring) > 0)
        return (count, of: crowd.served)
    }

    @Test func `a request beside a crowd that is woken at once waits for a part of it`() throws {
        let (before, all) = try servedBefore(streams: 900, pieces: 1)
        #expect(all == 900)
        // Two turns at most: who was resumed before, and who was resumed meanwhile.
        #expect(before <= 512, "\(before) of \(all)")
    }

    @Test func `streams that always have more leave a request its turn as well`() throws {
        let (before, all) = try servedBefore(streams: 600, pieces: 40)
        #expect(all == 24_000)
        #expect(before <= 2048, "\(before) of \(all)")
    }

    @Test func `few streams do not queue`() throws {
        let (_, all) = try servedBefore(streams: 3, pieces: 1000)
        #expect(all == 3000)
    }

    @Test func `streams that end while they queue leave their turns to the others`() throws {
        let crowd = Crowd(pieces: 1)
        let server = try serve(crowd)
        var readers = try (0..<900).map { _ in
            let reader = try server.connect()
            reader.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            return reader
        }
        #expect(eventually { crowd.waiting == 900 })
        crowd.wakeAll()
        // Closes every second one, while some of them are served and some queue.
        readers = readers.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        for reader in readers { #expect(try reader.answer().text == "line\n") }
        #expect(eventually { crowd.closed == 900 })
        #expect(try server.connect().request("GET /count").status == 200)
    }
}
