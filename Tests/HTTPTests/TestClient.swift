import Glibc
import Linux
import Testing

/// What a client read: one answer.
struct Answer {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// False where the connection ended before the body did.
    var isComplete = false

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String { String(decoding: body, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
}

/// The connection ended before an answer.
struct NoAnswer: Error {
    /// How it ended: `end`, or what recv(2) says, of which EAGAIN is that nothing came in time.
    let end: String
}

/// A socket and nothing else: sends exactly the bytes it is told to, reads answers.
final class TestClient {
    let descriptor: Int32
    private var buffer: [UInt8] = []
    private(set) var isAtEnd = false
    private var lastFailure = "end"

    init(path: String) throws {
        descriptor = try check(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) {
            unsafe $0.copyBytes(from: path.utf8)
        }
        let raw = descriptor
        try check(
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe connect(
                    raw, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                    socklen_t(MemoryLayout<sockaddr_un>.size))
            })
        try setTimeout()
    }

    init(port: UInt16) throws {
        descriptor = try check(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let raw = descriptor
        try check(
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe connect(
                    raw, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                    socklen_t(MemoryLayout<sockaddr_in>.size))
            })
        try setTimeout()
    }

    deinit { close(descriptor) }

    private func setTimeout() throws {
        var time = timeval(tv_sec: 10, tv_usec: 0)
        try check(
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size)))
    }

    /// False where the other end does not take them any more.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress.map { unsafe $0 + offset },
                    bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return false }
            offset += sent
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// A request with a Host and these further header lines.
    func request(
        _ line: String, _ headers: String..., body: [UInt8] = []
    ) throws -> Answer {
        let lines = ["\(line) HTTP/1.1", "Host: test"] + headers
        send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
        return try answer(isHead: line.hasPrefix("HEAD"))
    }

    /// Reads one answer, past any `100 Continue`.
    func answer(isHead: Bool = false) throws -> Answer {
        var answer = Answer()
        repeat { answer = try head() } while answer.status == 100
        if isHead || answer.status == 204 || answer.status == 304 {
            answer.isComplete = true
        } else if answer.header("transfer-encoding") == "chunked" {
            while let chunk = chunk() {
                if chunk.isEmpty {
                    answer.isComplete = true
                    break
                }
                answer.body += chunk
            }
        } else if let length = answer.header("content-length").flatMap({ Int($0) }) {
            while buffer.count < length && fill() {}
            answer.body = Array(buffer.prefix(length))
            answer.isComplete = answer.body.count == length
            buffer.removeFirst(answer.body.count)
        } else {
            while fill() {}
            answer.body = buffer
            buffer = []
            answer.isComplete = true
        }
        return answer
    }

    /// Reads only the status line and the headers.
    func head() throws -> Answer {
        var answer = Answer()
        guard let status = line() else { throw NoAnswer(end: lastFailure) }
        answer.status = try #require(
            status.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        while let line = line(), !line.isEmpty {
            let colon = try #require(line.firstIndex(of: ":"))
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            answer.headers.append((line[..<colon].lowercased(), String(value)))
        }
        return answer
    }

    /// The next chunk, empty for the last one; `nil` where the connection ended.
    func chunk() -> [UInt8]? {
        guard let size = line().flatMap({ Int($0, radix: 16) }) else { return nil }
        while buffer.count < size + 2 { if !fill() { return nil } }
        let chunk = Array(buffer.prefix(size))
        buffer.removeFirst(size + 2)
        return chunk
    }

    /// All that comes until the connection ends.
    func rest() -> String {
        while fill() {}
        return String(decoding: buffer, as: UTF8.self)
    }

    /// Whether the server closes the connection without another byte.
    func isClosed() -> Bool {
        while fill() {}
        return buffer.isEmpty && isAtEnd
    }

    /// The same socket for another thread.
    func duplicate() throws -> FileDescriptor {
        FileDescriptor(owning: try check(dup(descriptor)))
    }

    private func line() -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                var bytes = buffer.prefix(upTo: end)
                if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
                let line = String(decoding: bytes, as: UTF8.self)
                buffer.removeFirst(end + 1)
                return line
            }
            if !fill() { return nil }
        }
    }

    private func fill() -> Bool {
        var room = [UInt8](repeating: 0, count: 64 << 10)
        let got = unsafe room.withUnsafeMutableBytes { buffer in
            unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
        }
        let failure = Errno.current
        if got > 0 { buffer += room.prefix(got) }
        if got < 0 { lastFailure = "\(failure)" }
        // A reset is an end as well; a timeout is not.
        if got == 0 || (got < 0 && failure != .eagain) { isAtEnd = true }
        return got > 0
    }
}

/// Sends the same bytes again and again, 50 ms apart, until the other end closes.
func dribble(_ descriptor: consuming FileDescriptor, _ text: String) throws -> NamedThread {
    let raw = descriptor.release()
    return try NamedThread("dribble") {
        let bytes = Array(text.utf8)
        while true {
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(raw, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 { break }
            Clock.sleep(nanoseconds: 50_000_000)
        }
        close(raw)
    }
}
