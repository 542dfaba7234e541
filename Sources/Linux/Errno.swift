internal import Glibc

/// An error number of the kernel, with the name that people search for.
public struct Errno: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The calling thread's `errno`; read it before anything else runs.
    public static var current: Errno { Errno(rawValue: Glibc.errno) }

    /// `EPERM`; for numbers without a name here, `errno 123`.
    public var name: String { Self.names[rawValue] ?? "errno \(rawValue)" }

    /// The C library's sentence, `Operation not permitted`.
    public var message: String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            // SAFETY: the buffer is ours for this closure and its size is given to strerror_r.
            guard let base = buffer.baseAddress,
                unsafe strerror_r(rawValue, base, buffer.count) == 0
            else { return "errno \(rawValue)" }
            return unsafe String(cString: base)
        }
    }

    public var description: String { "\(name) (\(message))" }

    public static let eperm = Errno(rawValue: EPERM)
    public static let enoent = Errno(rawValue: ENOENT)
    public static let esrch = Errno(rawValue: ESRCH)
    public static let eintr = Errno(rawValue: EINTR)
    public static let eio = Errno(rawValue: EIO)
    public static let enxio = Errno(rawValue: ENXIO)
    public static let e2big = Errno(rawValue: E2BIG)
    public static let enoexec = Errno(rawValue: ENOEXEC)
    public static let ebadf = Errno(rawValue: EBADF)
    public static let eagain = Errno(rawValue: EAGAIN)
    public static let enomem = Errno(rawValue: ENOMEM)
    public static let eacces = Errno(rawValue: EACCES)
    public static let efault = Errno(rawValue: EFAULT)
    public static let ebusy = Errno(rawValue: EBUSY)
    public static let eexist = Errno(rawValue: EEXIST)
    public static let exdev = Errno(rawValue: EXDEV)
    public static let econnrefused = Errno(rawValue: ECONNREFUSED)
    public static let enodev = Errno(rawValue: ENODEV)
    public static let enotdir = Errno(rawValue: ENOTDIR)
    public static let eisdir = Errno(rawValue: EISDIR)
    public static let einval = Errno(rawValue: EINVAL)
    public static let enfile = Errno(rawValue: ENFILE)
    public static let emfile = Errno(rawValue: EMFILE)
    public static let efbig = Errno(rawValue: EFBIG)
    public static let enospc = Errno(rawValue: ENOSPC)
    public static let erofs = Errno(rawValue: EROFS)
    public static let eoverflow = Errno(rawValue: EOVERFLOW)
    public static let erange = Errno(rawValue: ERANGE)
    public static let enosys = Errno(rawValue: ENOSYS)
    public static let enotempty = Errno(rawValue: ENOTEMPTY)
    public static let eloop = Errno(rawValue: ELOOP)
    public static let etimedout = Errno(rawValue: ETIMEDOUT)
    public static let eopnotsupp = Errno(rawValue: EOPNOTSUPP)
    public static let edquot = Errno(rawValue: EDQUOT)
    public static let eaddrinuse = Errno(rawValue: EADDRINUSE)
    public static let eaddrnotavail = Errno(rawValue: EADDRNOTAVAIL)
    public static let eafnosupport = Errno(rawValue: EAFNOSUPPORT)
    public static let estale = Errno(rawValue: ESTALE)
    public static let eproto = Errno(rawValue: EPROTO)
    public static let enotsupp = Errno(rawValue: 524)  // include/linux/errno.h, not in libc

    private static let names: [Int32: String] = [
        EPERM: "EPERM", ENOENT: "ENOENT", ESRCH: "ESRCH", EINTR: "EINTR", EIO: "EIO",
        ENXIO: "ENXIO", E2BIG: "E2BIG", ENOEXEC: "ENOEXEC", EBADF: "EBADF", ECHILD: "ECHILD",
        EAGAIN: "EAGAIN", ENOMEM: "ENOMEM", EACCES: "EACCES", EFAULT: "EFAULT", EBUSY: "EBUSY",
        EEXIST: "EEXIST", EXDEV: "EXDEV", ENODEV: "ENODEV", ENOTDIR: "ENOTDIR", EISDIR: "EISDIR",
        EINVAL: "EINVAL", ENFILE: "ENFILE", EMFILE: "EMFILE", ENOTTY: "ENOTTY", EFBIG: "EFBIG",
        ENOSPC: "ENOSPC", ESPIPE: "ESPIPE", EROFS: "EROFS", EMLINK: "EMLINK", EPIPE: "EPIPE",
        EDOM: "EDOM", ERANGE: "ERANGE", EDEADLK: "EDEADLK", ENAMETOOLONG: "ENAMETOOLONG",
        ENOSYS: "ENOSYS", ENOTEMPTY: "ENOTEMPTY", ELOOP: "ELOOP", ENODATA: "ENODATA",
        ETIME: "ETIME", EPROTO: "EPROTO", EBADMSG: "EBADMSG", EOVERFLOW: "EOVERFLOW",
        EILSEQ: "EILSEQ", ENOTSOCK: "ENOTSOCK", EMSGSIZE: "EMSGSIZE",
        EPROTONOSUPPORT: "EPROTONOSUPPORT", EOPNOTSUPP: "EOPNOTSUPP", EADDRINUSE: "EADDRINUSE",
        EADDRNOTAVAIL: "EADDRNOTAVAIL", EAFNOSUPPORT: "EAFNOSUPPORT",
        ENETDOWN: "ENETDOWN", ECONNRESET: "ECONNRESET",
        ENOBUFS: "ENOBUFS", ENOTCONN: "ENOTCONN", ETIMEDOUT: "ETIMEDOUT",
        ECONNREFUSED: "ECONNREFUSED", EALREADY: "EALREADY", EINPROGRESS: "EINPROGRESS",
        ESTALE: "ESTALE", EDQUOT: "EDQUOT", ECANCELED: "ECANCELED", 524: "ENOTSUPP",
    ]
}

/// Turns the C convention "-1 and errno" into a thrown `Errno`.
@discardableResult
public func check(_ result: Int32) throws(Errno) -> Int32 {
    guard result >= 0 else { throw Errno.current }
    return result
}

extension Errno {
    /// Descriptors or memory have run out: it says nothing of what was asked for.
    public var isShortage: Bool { [.emfile, .enfile, .enomem].contains(self) }
}
