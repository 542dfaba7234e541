import HTTP
import Linux
import Synchronization
import Testing

/// What clients make libmicrohttpd say.
@Suite struct MHDLogTests {
    @Test func `clients that make it complain cannot fill the log`() throws {
        let lines = Mutex<[String]>([])
        let began = Clock.monotonicNanoseconds()
        let server = try TestServer(log: { line in lines.withLock { $0.append(line) } }) { _ in
            quick { _ in text("quick") }
        }
        for _ in 0..<40 {
            let client = try server.connect()
            client.send("GET /\(String(repeating: "a", count: 64 << 10)) HTTP/1.1\r\n\r\n")
            _ = client.rest()
        }
        let written = lines.withLock { $0 }
        // Five in ten seconds, on however slow a machine.
        let windows = Int((Clock.monotonicNanoseconds() - began) / 10_000_000_000) + 1
        #expect((1...(5 * windows)).contains(written.count), "\(written)")
        #expect(written.allSatisfy { $0.hasPrefix("libmicrohttpd: ") && !$0.contains("\n") })
        #expect(try server.connect().request("GET /").text == "quick")
    }
}
