// Has <sys/socket.h> too, and whole-module builds find SOCK_… only there.
internal import CLinux
internal import Glibc

/// The service supervisor that started this process, if one did: sd_notify(3), sd_listen_fds(3) and
/// sd_watchdog_enabled(3), which are an environment and a datagram, without libsystemd.
public struct Supervisor: Sendable {
    private let address: String?
    /// How often it wants to hear `WATCHDOG=1`, at the latest; `nil`: never.
    public let watchdogNanoseconds: UInt64?
    /// Listening sockets that it made for us, close-on-exec now.
    public let sockets: [Int32]

    /// Where `LISTEN_FDS` begins.
    private static let firstSocket: Int32 = 3
    private static let socketLimit: Int32 = 64

    /// - Parameter environment: of this process. Variables for another process id are not for us.
    public init(environment: [String: String]) {
        address = environment["NOTIFY_SOCKET"].flatMap { text in
            text.hasPrefix("/") || text.hasPrefix("@") ? text : nil
        }
        let ownID = "\(getpid())"
        let isWatched = environment["WATCHDOG_PID"].map { $0 == ownID } ?? true
        watchdogNanoseconds = environment["WATCHDOG_USEC"].flatMap { UInt64($0) }.flatMap {
            isWatched && $0 > 0 && $0 < UInt64.max / 1000 ? $0 * 1000 : nil
        }
        var sockets: [Int32] = []
        if environment["LISTEN_PID"] == ownID,
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }),
            (1...Self.socketLimit).contains(count)
        {
            for raw in Self.firstSocket..<(Self.firstSocket + count)
            where fcntl(raw, F_SETFD, FD_CLOEXEC) == 0 {
                sockets.append(raw)
            }
        }
        self.sockets = sockets
    }

    /// Tells it something: `READY=1`, `STATUS=…`, lines of assignments. Nothing where nobody asked.
    /// Does not block; that nobody listens is not our trouble.
    public func notify(_ text: String) {
        guard let address else { return }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        var path = Array(address.utf8)
        // An abstract name begins with a NUL and has no other at its end.
        if path[0] == UInt8(ascii: "@") { path[0] = 0 }
        guard path.count < MemoryLayout.size(ofValue: name.sun_path) else { return }
        unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: path) }
        let length = MemoryLayout<sa_family_t>.size + path.count + (path[0] == 0 ? 0 : 1)
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let raw = socket(AF_UNIX, type, 0)
        guard raw >= 0 else { return }
        let descriptor = FileDescriptor(owning: raw)
        let message = Array(text.utf8)
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        _ = unsafe withUnsafePointer(to: &name) { pointer in
            // SAFETY: the address and the message are borrowed for this call.
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe message.withUnsafeBytes { bytes in
                    unsafe sendto(
                        descriptor.raw, bytes.baseAddress, bytes.count, flags, generic,
                        socklen_t(length))
                }
            }
        }
    }
}
