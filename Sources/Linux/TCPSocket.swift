internal import Glibc

/// A listening TCP socket.
public enum TCPSocket {
    /// - Parameter host: an IPv4 or IPv6 address in numbers.
    /// - Throws: `EINVAL` for something else; `EADDRINUSE`, `EACCES`.
    public static func listen(_ host: String, port: UInt16, backlog: Int32 = 1024) throws(Errno)
        -> FileDescriptor
    {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &found) == 0, let info = unsafe found
        else { throw .einval }
        // SAFETY: the list is getaddrinfo's until freed here.
        defer { unsafe freeaddrinfo(info) }
        let type =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let socket = FileDescriptor(
            owning: try check(unsafe Glibc.socket(info.pointee.ai_family, type, 0)))
        var one: Int32 = 1
        let length = socklen_t(MemoryLayout<Int32>.size)
        try check(unsafe setsockopt(socket.raw, SOL_SOCKET, SO_REUSEADDR, &one, length))
        try check(unsafe bind(socket.raw, info.pointee.ai_addr, info.pointee.ai_addrlen))
        try check(Glibc.listen(socket.raw, backlog))
        return socket
    }

    /// The port that a socket is bound to; nil where it is no TCP socket.
    public static func port(_ raw: Int32) -> UInt16? {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe getsockname(raw, pointer, &length)
            }
        }
        // The port lies at the same place in sockaddr_in and sockaddr_in6.
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : nil
    }

    /// The other end's address in numbers, without the port.
    public static func peerAddress(_ raw: Int32) -> String? {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                guard unsafe getpeername(raw, pointer, &length) == 0 else { return nil }
                var text = [CChar](repeating: 0, count: 64)
                let result = unsafe getnameinfo(
                    pointer, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
                guard result == 0 else { return nil }
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                return String(decoding: bytes, as: UTF8.self)
            }
        }
    }
}
