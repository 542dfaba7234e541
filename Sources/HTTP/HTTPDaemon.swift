internal import CMicrohttpd
internal import Glibc
internal import Linux
internal import Synchronization

/// One of libmicrohttpd's daemons: a listener with its own threads and limits.
@safe
final class HTTPDaemon: @unchecked Sendable {
    // SAFETY: set once before the first callback matters, cleared by `stop`, used by one thread
    // then.
    private var daemon: OpaquePointer?
    let application: any Application
    let limits: ServerLimits
    let workers: WorkerPool
    let loaders: WorkerPool
    private let streams = Mutex<[ObjectIdentifier: StreamSource]>([:])
    private let isStopping = Atomic(false)
    private(set) var port: UInt16?

    init(
        _ listener: Listener, limits: ServerLimits, application: any Application,
        workers: WorkerPool, loaders: WorkerPool
    ) throws(ServerError) {
        self.application = application
        self.limits = limits
        self.workers = workers
        self.loaders = loaders
        let socket: FileDescriptor
        let threads: UInt32
        do throws(Errno) {
            switch listener {
            case .unix(let path, let mode):
                socket = try UnixSocket.listen(path, mode: mode)
                threads = 1
            case .tcp(let host, let port):
                socket = try TCPSocket.listen(host, port: port)
                threads = 2
            }
        } catch {
            throw ServerError(reason: "cannot listen on \(listener)", errno: error)
        }
        if case .tcp = listener { port = TCPSocket.port(socket.raw) }
        unsafe daemon = start(socket.release(), threads)
        guard unsafe daemon != nil else {
            throw ServerError(reason: "libmicrohttpd did not start on \(listener)", errno: .current)
        }
    }

    /// - Parameter socket: libmicrohttpd closes it when it stops.
    private func start(_ socket: Int32, _ threads: UInt32) -> OpaquePointer? {
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
            | MHD_USE_ITC.rawValue | MHD_USE_ERROR_LOG.rawValue
        // SAFETY: libmicrohttpd is stopped before this object dies, so the unretained pointer
        // holds.
        let me = unsafe Unmanaged.passUnretained(self).toOpaque()
        func pointer<F>(_ function: F) -> Int { unsafe unsafeBitCast(function, to: Int.self) }
        func item(_ option: MHD_OPTION, _ value: Int, _ context: UnsafeMutableRawPointer? = nil)
            -> MHD_OptionItem
        { unsafe MHD_OptionItem(option: option, value: value, ptr_value: context) }
        let uriFunction: URIFunction = unsafe uriArrived
        let completedFunction: CompletedFunction = unsafe requestCompleted
        let connectionFunction: ConnectionFunction = unsafe connectionChanged
        let logFunction: LogFunction = unsafe messageLogged
        let unescapeFunction: UnescapeFunction = unsafe leaveEscaped
        var items = unsafe [
            item(MHD_OPTION.LISTEN_SOCKET, Int(socket)),
            item(MHD_OPTION.CONNECTION_LIMIT, max(limits.connections, Int(threads))),
            item(MHD_OPTION.PER_IP_CONNECTION_LIMIT, limits.connectionsPerAddress),
            item(MHD_OPTION.CONNECTION_TIMEOUT, limits.idleSeconds),
            item(MHD_OPTION.URI_LOG_CALLBACK, pointer(uriFunction), me),
            item(MHD_OPTION.NOTIFY_COMPLETED, pointer(completedFunction), me),
            item(MHD_OPTION.NOTIFY_CONNECTION, pointer(connectionFunction), me),
            item(MHD_OPTION.EXTERNAL_LOGGER, pointer(logFunction), me),
            item(MHD_OPTION.UNESCAPE_CALLBACK, pointer(unescapeFunction), me),
        ]
        if threads > 1 { unsafe items.append(item(MHD_OPTION.THREAD_POOL_SIZE, Int(threads))) }
        unsafe items.append(item(MHD_OPTION.END, 0))
        return unsafe items.withUnsafeMutableBufferPointer { items in
            guard let base = items.baseAddress else { return nil }
            let arguments: [any CVarArg] = unsafe [
                MHD_OPTION.ARRAY.rawValue, base, MHD_OPTION.END.rawValue,
            ]
            return unsafe withVaList(arguments) { list in
                unsafe MHD_start_daemon_va(flags, 0, nil, nil, requestArrived, me, list)
            }
        }
    }

    func opened(_ stream: StreamSource) {
        streams.withLock { $0[ObjectIdentifier(stream)] = stream }
        if isStopping.load(ordering: .acquiring) { stream.stop() }
    }

    func closed(_ stream: StreamSource) {
        stream.close()
        streams.withLock { $0[ObjectIdentifier(stream)] = nil }
    }

    var openStreams: Int { streams.withLock { $0.count } }

    var refusesRequests: Bool { isStopping.load(ordering: .relaxed) }

    /// Takes no new requests any more.
    func quiesce() { isStopping.store(true, ordering: .releasing) }

    /// Breaks off what is left and ends the threads. No worker may hold an exchange any more.
    func stop() {
        for stream in streams.withLock({ Array($0.values) }) { stream.stop() }
        unsafe MHD_stop_daemon(daemon)
        unsafe daemon = nil
    }
}
