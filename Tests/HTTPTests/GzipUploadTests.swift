import Glibc
import HTTP
import Linux
import Testing

@testable import HTTP

@Suite struct GzipUploadTests {
    private func serve() throws -> TestServer {
        try TestServer { head in
            .accept(
                .init(
                    body: head.segments == ["file"] ? .file : .memory, bodyLimit: 100_000,
                    place: .quick, handle: echo))
        }
    }

    private func put(
        _ server: TestServer, _ body: [UInt8], encoding: String = "gzip", path: String = "/memory"
    ) throws -> HTTPTests.Answer {
        try server.connect().request(
            "PUT \(path)", "Content-Length: \(body.count)", "Content-Encoding: \(encoding)",
            body: body)
    }

    private let plain = (0..<90_000).map { UInt8(truncatingIfNeeded: $0 / 100) }

    @Test func `a gzip body is unpacked, of several members too`() throws {
        let server = try serve()
        let packed = try #require(Gzip.compressed(plain))
        for encoding in ["gzip", "GZIP", "x-gzip"] {
            let answer = try put(server, packed, encoding: encoding)
            #expect(answer.lines.last == "bytes 90000 \(sum(plain))")
        }
        let file = try put(server, packed, path: "/file")
        let same = try put(server, plain, encoding: "identity", path: "/file")
        #expect(file.lines.last == same.lines.last)
        let half = Array(plain.prefix(45_000))
        let halfPacked = try #require(Gzip.compressed(half))
        let both = try put(server, halfPacked + halfPacked)
        #expect(both.lines.last == "bytes 90000 \(sum(half + half))")
    }

    @Test func `a gzip bomb is refused at the limit`() throws {
        let server = try serve()
        let bomb = try #require(Gzip.compressed([UInt8](repeating: 0, count: 50 << 20)))
        let small = try #require(Gzip.compressed([UInt8](repeating: 0, count: 100_001)))
        for body in [small, bomb] {
            for path in ["/memory", "/file"] {
                #expect(try put(server, body, path: path).status == 413)
            }
        }
    }

    @Test func `what is no gzip, or not all of it, is refused`() throws {
        let server = try serve()
        let packed = try #require(Gzip.compressed(plain))
        var flipped = packed
        flipped[packed.count / 2] ^= 0xff
        for body in [
            Array("no gzip at all".utf8), Array(packed.dropLast()), Array(packed.prefix(5)),
            packed + [0], packed + Array("garbage".utf8), flipped,
        ] {
            #expect(try put(server, body).status == 400)
        }
    }

    @Test(arguments: ["br", "deflate", "gzip, gzip", "zstd"])
    func `another encoding is refused`(encoding: String) throws {
        let server = try serve()
        #expect(try put(server, [1, 2, 3], encoding: encoding).status == 415)
    }
}
