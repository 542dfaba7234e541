import Glibc
import HTTP
import Linux
import Testing

@Suite struct ListenerTests {
    private func start(_ listeners: [Listener]) throws -> Server {
        try Server(
            listeners, limits: ServerLimits(),
            application: TestApplication { _ in quick { _ in text("ok") } }, log: { _ in })
    }

    private func makeDirectory(_ name: String) throws -> String {
        let directory = "/tmp/http-listener-\(getpid())-\(name)"
        try FileSystem.makeDirectory(directory)
        return directory
    }

    @Test func `a Unix socket has the mode that was asked for`() throws {
        let directory = try makeDirectory("mode")
        defer { try? FileSystem.removeTree(directory) }
        let path = directory + "/socket"
        let server = try start([.unix(path: path, mode: 0o660)])
        defer { server.stop(deadlineMilliseconds: 0) }
        var status = stat()
        try check(unsafe stat(path, &status))
        #expect(status.st_mode & 0o777 == 0o660)
        #expect(server.ports == [nil])
    }

    @Test func `a live socket is refused and a dead one replaced`() throws {
        let directory = try makeDirectory("live")
        defer { try? FileSystem.removeTree(directory) }
        let path = directory + "/socket"
        let first = try start([.unix(path: path, mode: 0o600)])
        let failure = #expect(throws: ServerError.self) {
            _ = try start([.unix(path: path, mode: 0o600)])
        }
        #expect(failure?.errno == .eaddrinuse)
        // The refused one left the first one alone.
        #expect(try TestClient(path: path).request("GET /").text == "ok")
        // A socket of which the process died has its name still.
        try check(unsafe rename(path, path + ".dead"))
        first.stop(deadlineMilliseconds: 0)
        let second = try start([.unix(path: path + ".dead", mode: 0o600)])
        #expect(try TestClient(path: path + ".dead").request("GET /").text == "ok")
        second.stop(deadlineMilliseconds: 0)
        #expect(!FileSystem.exists(path + ".dead"))
    }

    @Test func `what is no socket is not replaced`() throws {
        let directory = try makeDirectory("file")
        defer { try? FileSystem.removeTree(directory) }
        let path = directory + "/socket"
        try FileSystem.replace(path, with: [UInt8]("precious".utf8).span)
        let failure = #expect(throws: ServerError.self) {
            _ = try start([.unix(path: path, mode: 0o600)])
        }
        #expect(failure?.errno == .eexist)
        #expect(FileSystem.text(path) == "precious")
        let long = directory + "/" + String(repeating: "x", count: 100)
        #expect(throws: ServerError.self) { _ = try start([.unix(path: long, mode: 0o600)]) }
    }

    @Test func `a port in use is refused and IPv6 is served`() throws {
        let server = try start([
            .tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0),
        ])
        defer { server.stop(deadlineMilliseconds: 0) }
        let port = try #require(server.ports[0])
        let failure = #expect(throws: ServerError.self) {
            _ = try start([.tcp(host: "127.0.0.1", port: port)])
        }
        #expect(failure?.errno == .eaddrinuse)
        #expect(try TestClient(port: port).request("GET /").text == "ok")
        let other = try #require(server.ports[1])
        let exit = try Child.run(
            "/usr/bin/curl", arguments: ["-sS", "-g", "http://[::1]:\(other)/"],
            deadlineMilliseconds: 10_000, outputLimit: 1 << 20)
        #expect(String(decoding: exit.output, as: UTF8.self) == "ok")
    }
}
