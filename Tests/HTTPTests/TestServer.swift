import Glibc
import HTTP
import Linux
import Synchronization
import Testing

/// An application made of a closure; refusals answer with their name.
struct TestApplication: Application {
    let decide: @Sendable (RequestHead) -> Admission

    func admit(_ head: RequestHead) -> Admission { decide(head) }

    func refuse(_ refusal: Refusal, requestID: String) -> Response {
        let status =
            switch refusal {
            case .malformed: 400
            case .unknownMethod: 501
            case .bodyTooLarge: 413
            case .lengthRequired: 411
            case .bodyTimeout: 408
            case .unsupportedEncoding: 415
            case .malformedEncoding: 400
            case .tooManyRequests: 429
            case .stopping: 503
            case .outOfResources: 503
            }
        return Response(
            status: status, headers: [("Content-Type", "text/plain")],
            body: .bytes(Array("\(refusal)".utf8)))
    }
}

/// A server on a Unix socket in a directory of its own and on a loopback port.
final class TestServer: Sendable {
    let directory: String
    let path: String
    let port: UInt16
    let server: Server
    private static let number = Atomic<Int>(0)

    init(
        limits: ServerLimits = ServerLimits(), log: @escaping @Sendable (String) -> Void = { _ in },
        _ decide: @escaping @Sendable (RequestHead) -> Admission
    ) throws {
        let number = Self.number.wrappingAdd(1, ordering: .relaxed).newValue
        directory = "/tmp/http-tests-\(getpid())-\(number)"
        try FileSystem.makeDirectory(directory)
        path = directory + "/socket"
        server = try Server(
            [.unix(path: path, mode: 0o600), .tcp(host: "127.0.0.1", port: 0)], limits: limits,
            application: TestApplication(decide: decide), log: log)
        port = try #require(server.ports[1])
    }

    deinit {
        server.stop(deadlineMilliseconds: 0)
        try? FileSystem.removeTree(directory)
    }

    /// A connection to the Unix socket.
    func connect() throws -> TestClient { try TestClient(path: path) }
    func connectTCP() throws -> TestClient { try TestClient(port: port) }

    /// A client of each listener, connected when it is its turn: a head is waited for ten seconds.
    var listeners: [() throws -> TestClient] { [connect, connectTCP] }

    /// Runs the real curl against the Unix socket.
    func curl(_ arguments: String..., path: String) throws -> Child.Exit {
        let all =
            ["-sS", "--max-time", "10", "--unix-socket", self.path] + arguments
            + ["http://localhost" + path]
        return try Child.run(
            "/usr/bin/curl", arguments: all, deadlineMilliseconds: 15_000, outputLimit: 64 << 20)
    }
}

/// Answers at once on the HTTP thread.
func quick(_ handle: @escaping @Sendable (Request) -> Response) -> Admission {
    .accept(.init(body: .none, bodyLimit: 0, place: .quick, handle: handle))
}

func worker(_ handle: @escaping @Sendable (Request) -> Response) -> Admission {
    .accept(.init(body: .none, bodyLimit: 0, place: .worker, handle: handle))
}

func text(_ text: String, status: Int = 200) -> Response {
    Response(
        status: status, headers: [("Content-Type", "text/plain")], body: .bytes(Array(text.utf8)))
}

/// Everything about a request on one line each.
@Sendable func echo(_ request: Request) -> Response {
    let head = request.head
    var lines = ["\(head.method.rawValue) \(head.rawPath)"]
    lines += head.segments.map { "segment \($0)" }
    lines += head.query.map { "query \($0.name)=\($0.value)" }
    lines += head.headers.map { "header \($0.name): \($0.value)" }
    switch request.body {
    case .none: lines.append("no body")
    case .bytes(let bytes): lines.append("bytes \(bytes.count) \(sum(bytes))")
    case .file(let file, let size, let sha256):
        let bytes = (try? file.descriptor.read(atMost: 1 << 20)) ?? []
        lines.append("file \(size) \(sum(bytes)) \(sha256)")
    }
    return text(lines.joined(separator: "\n"))
}

/// Tells bodies apart.
func sum(_ bytes: [UInt8]) -> UInt32 {
    bytes.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
}

/// Waits until `condition` holds; what it waits for comes from other threads.
func eventually(seconds: Int = 10, _ condition: () -> Bool) -> Bool {
    let end = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
    while !condition() {
        if Clock.monotonicNanoseconds() > end { return false }
        Clock.sleep(nanoseconds: 1_000_000)
    }
    return true
}

/// Closed at first; whoever passes waits until it is opened.
final class Latch: Sendable {
    private let isOpen = Atomic<Bool>(false)
    private let count = Atomic<Int>(0)
    func open() { isOpen.store(true, ordering: .sequentiallyConsistent) }
    var waiting: Int { count.load(ordering: .sequentiallyConsistent) }
    func pass() {
        count.wrappingAdd(1, ordering: .sequentiallyConsistent)
        while !isOpen.load(ordering: .sequentiallyConsistent) { Clock.sleep(nanoseconds: 500_000) }
        count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
}
