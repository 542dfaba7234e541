internal import Glibc

/// A listening socket of the Unix family.
public enum UnixSocket {
    /// Binds, sets the mode and listens. A socket file that nobody listens on is replaced.
    /// - Throws: `EADDRINUSE` where somebody listens there; `EEXIST` where another kind of file is.
    public static func listen(_ path: String, mode: UInt32, backlog: Int32 = 1024) throws(Errno)
        -> FileDescriptor
    {
        switch FileSystem.kind(path) {
        case nil: break
        case .socket:
            if isAlive(path) { throw .eaddrinuse }
            try FileSystem.unlink(path)
        default: throw .eexist
        }
        let socket = try make()
        var address = try address(path)
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe Glibc.bind(socket.raw, pointer, length)
            }
        }
        try check(bound)
        // Before listen(2): nobody can connect while the mode is still the default's.
        try FileSystem.changeMode(path, mode)
        try check(Glibc.listen(socket.raw, backlog))
        return socket
    }

    private static func isAlive(_ path: String) -> Bool {
        // A socket that cannot even be made says nothing about the other side.
        do {
            let socket = try make()
            var address = try address(path)
            let length = socklen_t(MemoryLayout<sockaddr_un>.size)
            let result = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    unsafe connect(socket.raw, pointer, length)
                }
            }
            return result == 0 || Errno.current == .eagain
        } catch {
            return true
        }
    }

    private static func make() throws(Errno) -> FileDescriptor {
        let type =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        return FileDescriptor(owning: try check(socket(AF_UNIX, type, 0)))
    }

    private static func address(_ path: String) throws(Errno) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Errno(rawValue: ENAMETOOLONG)
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            // SAFETY: the length was checked, the rest of the zeroed struct ends the text.
            unsafe buffer.copyBytes(from: bytes)
        }
        return address
    }
}
