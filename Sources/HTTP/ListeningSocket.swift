internal import Glibc
internal import Linux

/// A bound, listening socket, and the name of a Unix one.
struct ListeningSocket: ~Copyable, Sendable {
    let descriptor: FileDescriptor
    let port: UInt16?
    private let path: String?
    private var isShared = false
    private let identity: (device: UInt64, inode: UInt64)?
    private static let backlog: Int32 = 1024

    init(_ listener: Listener) throws(ServerError) {
        do {
            switch listener {
            case .unix(let path, let mode):
                descriptor = try Self.bindUnix(path, mode)
                self.path = path
                port = nil
            case .inherited(let raw):
                descriptor = try Self.inherited(raw)
                path = nil
                port = nil
                isShared = true
            case .tcp(let host, let port), .tls(let host, let port):
                descriptor = try Self.bindTCP(host, port)
                path = nil
                self.port = Self.port(of: descriptor.raw)
            }
        } catch { throw ServerError("Cannot listen on \(listener): \(error)", error) }
        // A name that is gone already is nobody's to remove.
        identity = path.flatMap { try? FileSystem.identity($0) }
    }

    /// Takes no further connection, and the name away if it is still ours.
    func stop() {
        // Who made it goes on listening.
        if isShared { return }
        shutdown(descriptor.raw, Int32(SHUT_RDWR))
        guard let path, let identity else { return }
        // Whoever replaced it keeps it.
        do {
            guard try FileSystem.identity(path) == identity else { return }
            try FileSystem.unlink(path)
        } catch { return }
    }

    /// A copy, so that the original stays open for a next start of us.
    /// - Throws: `EINVAL` where it is no listening Unix socket.
    private static func inherited(_ raw: Int32) throws(Errno) -> FileDescriptor {
        let copy = FileDescriptor(owning: try check(fcntl(raw, F_DUPFD_CLOEXEC, 3)))
        var isListening: Int32 = 0
        var family: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        try check(
            unsafe getsockopt(copy.raw, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length))
        try check(unsafe getsockopt(copy.raw, SOL_SOCKET, SO_DOMAIN, &family, &length))
        guard isListening != 0, family == AF_UNIX else { throw .einval }
        // libmicrohttpd accepts until there is none left.
        try check(fcntl(copy.raw, F_SETFL, fcntl(copy.raw, F_GETFL) | O_NONBLOCK))
        return copy
    }

    private static func socket(_ family: Int32) throws(Errno) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return FileDescriptor(owning: try check(Glibc.socket(family, type, 0)))
    }

    private static func bindUnix(_ path: String, _ mode: UInt32) throws(Errno) -> FileDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, !bytes.contains(0),
            bytes.count < MemoryLayout.size(ofValue: address.sun_path)
        else { throw Errno(rawValue: ENAMETOOLONG) }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        switch FileSystem.kind(path) {
        case nil: break
        case .socket:
            let probe = try socket(AF_UNIX)
            // Not even a full backlog (EAGAIN) is dead.
            let result = connect(probe, address)
            guard result == Errno(rawValue: ECONNREFUSED) else { throw .eaddrinuse }
            try FileSystem.unlink(path)
        default: throw .eexist
        }
        let descriptor = try socket(AF_UNIX)
        // The name is made with these bits less the umask: never wider than asked.
        try check(fchmod(descriptor.raw, mode))
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        _ = try unsafe withSockaddr(&address) { (pointer) throws(Errno) in
            try check(unsafe bind(descriptor.raw, pointer, length))
        }
        try FileSystem.changeMode(path, mode)
        try check(listen(descriptor.raw, backlog))
        return descriptor
    }

    /// The error, or `nil` where somebody listens.
    private static func connect(
        _ probe: borrowing FileDescriptor, _ address: sockaddr_un
    ) -> Errno? {
        var address = address
        let raw = probe.raw
        let result = unsafe withSockaddr(&address) { pointer in
            unsafe Glibc.connect(raw, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        return result == 0 ? nil : Errno.current
    }

    private static func withSockaddr<Result, Failure>(
        _ address: inout sockaddr_un,
        _ body: (UnsafePointer<sockaddr>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // SAFETY: a sockaddr_un begins with what a sockaddr has; the kernel gets the full size.
        try unsafe withUnsafePointer(to: &address) { (pointer) throws(Failure) in
            try unsafe body(UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self))
        }
    }

    private static func bindTCP(_ host: String, _ port: UInt16) throws(Errno) -> FileDescriptor {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &found) == 0 else {
            throw Errno(rawValue: EADDRNOTAVAIL)
        }
        defer { unsafe freeaddrinfo(found) }
        var failure = Errno(rawValue: EADDRNOTAVAIL)
        // SAFETY: the list is the resolver's until it is freed above.
        var next = unsafe found
        while let candidate = unsafe next {
            unsafe next = candidate.pointee.ai_next
            do {
                let descriptor = try socket(unsafe candidate.pointee.ai_family)
                var one: Int32 = 1
                try check(
                    unsafe setsockopt(
                        descriptor.raw, SOL_SOCKET, SO_REUSEADDR, &one,
                        socklen_t(MemoryLayout<Int32>.size)))
                try check(
                    unsafe bind(
                        descriptor.raw, candidate.pointee.ai_addr, candidate.pointee.ai_addrlen))
                try check(listen(descriptor.raw, backlog))
                return descriptor
            } catch { failure = error }
        }
        throw failure
    }

    private static func port(of descriptor: Int32) -> UInt16? {
        var address = sockaddr_in6()  // the port is at the same place in a sockaddr_in
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            // SAFETY: the kernel writes at most `length` bytes.
            unsafe getsockname(
                descriptor, UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                &length)
        }
        return result == 0 ? UInt16(bigEndian: address.sin6_port) : nil
    }
}
