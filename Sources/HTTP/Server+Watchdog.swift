internal import Glibc
internal import Linux

extension Server {
    /// What does not get on any more: a listener that gives no byte of an answer and has done
    /// nothing for another client either for `quietSeconds`, a handler that runs for longer than
    /// `seconds`, the thread of the deadlines. For a watchdog; nothing where all is well. Blocks
    /// for up to 5 s for each listener that does not answer.
    ///
    /// A listener at its limit of connections answers nobody new: that clients can bring about, and
    /// it must not end the daemon.
    public func stalled(afterSeconds seconds: UInt64, quietSeconds: UInt64) -> [String] {
        daemonSockets.compactMap { socket in
            if socket.answers(withinMilliseconds: 5000)
                || wasSeen(socket, withinSeconds: quietSeconds)
            {
                return nil
            }
            return "\(socket.name) does not answer"
        } + stalledWork(afterSeconds: seconds)
    }
}

/// How a watchdog reaches a listener.
struct ListenerAddress {
    let name: String
    let family: Int32
    let address: [UInt8]

    /// Whether a request is answered with any byte, or the connection closed: both say that the
    /// thread is alive. A full backlog is an answer too, of a daemon at its limit.
    func answers(withinMilliseconds limit: Int32) -> Bool {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let raw = socket(family, type, 0)
        guard raw >= 0 else { return true }
        let descriptor = FileDescriptor(owning: raw)
        let result = unsafe address.withUnsafeBytes { bytes in
            // SAFETY: the bytes are a socket address of that family, borrowed for this call.
            unsafe bytes.baseAddress.map { base in
                unsafe connect(
                    descriptor.raw, base.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(bytes.count))
            } ?? -1
        }
        guard result == 0 || errno == EINPROGRESS else { return true }
        guard wait(descriptor, Int16(POLLOUT), limit) else { return false }
        let request = Array("GET / HTTP/1.0\r\n\r\n".utf8)
        do { try descriptor.writeAll(request.span) } catch { return true }
        return wait(descriptor, Int16(POLLIN), limit)
    }

    private func wait(
        _ descriptor: borrowing FileDescriptor, _ events: Int16, _ milliseconds: Int32
    ) -> Bool {
        var wanted = pollfd(fd: descriptor.raw, events: events, revents: 0)
        return unsafe poll(&wanted, 1, milliseconds) > 0
    }
}

extension ListeningSocket {
    /// Where it listens, as getsockname(2) tells it.
    var address: ListenerAddress? {
        var bytes = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
        var length = socklen_t(bytes.count)
        let raw = descriptor.raw
        let result = unsafe bytes.withUnsafeMutableBytes { buffer in
            // SAFETY: the buffer is as large as any address, and is ours for this call.
            unsafe buffer.baseAddress.map { base in
                unsafe getsockname(raw, base.assumingMemoryBound(to: sockaddr.self), &length)
            } ?? -1
        }
        guard result == 0 else { return nil }
        let family = Int32(bytes[0]) | Int32(bytes[1]) << 8
        return ListenerAddress(
            name: family == AF_UNIX ? "MHD-single" : "MHD-worker", family: family,
            address: Array(bytes.prefix(Int(length))))
    }
}
