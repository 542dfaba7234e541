internal import CGnuTLS
internal import CMicrohttpd
internal import Glibc
internal import Linux

/// One libmicrohttpd daemon with its listening socket and threads.
@safe final class Daemon: Sendable {
    let socket: ListeningSocket
    private nonisolated(unsafe) let raw: OpaquePointer

    /// The memory of a connection. The read buffer takes half of it, so the head fits twice.
    private static let connectionMemoryBytes = 32 << 10
    private static let tcpThreads = 2

    /// - Parameter core: kept by the caller until `close` was called.
    init(
        _ listener: Listener, _ core: Core, connectionLimit: Int
    ) throws(ServerError) {
        let socket = try ListeningSocket(listener)
        // SAFETY: the callbacks' context is the Core, see the parameter.
        let context = unsafe Unmanaged.passUnretained(core).toOpaque()
        var options = unsafe Self.options(core.limits, context)
        unsafe options.append(option(.CONNECTION_LIMIT, connectionLimit))
        unsafe options.append(option(.LISTEN_SOCKET, Int(socket.descriptor.raw)))
        if case .unix = listener {
        } else {
            unsafe options.append(option(.THREAD_POOL_SIZE, Self.tcpThreads))
            unsafe options.append(
                option(.PER_IP_CONNECTION_LIMIT, core.limits.connectionsPerAddress))
        }
        var isTLS: UInt32 = 0
        if case .tls = listener {
            isTLS = MHD_USE_TLS.rawValue
            unsafe options += Self.tlsOptions()
        }
        unsafe options.append(option(.END, 0))
        let flags =
            isTLS | MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
            | MHD_USE_ITC.rawValue | MHD_USE_ERROR_LOG.rawValue
        let daemon = unsafe options.withUnsafeMutableBufferPointer { options in
            // SAFETY: the array of options is read during this call only.
            unsafe withVaList([
                Int32(bitPattern: MHD_OPTION.ARRAY.rawValue),
                options.baseAddress.map { OpaquePointer($0) } ?? OpaquePointer(context),
                Int32(bitPattern: MHD_OPTION.END.rawValue),
            ]) { arguments in
                unsafe MHD_start_daemon_va(
                    flags, 0, nil, nil, requestWanted, context, arguments)
            }
        }
        guard let daemon = unsafe daemon else {
            let failure = Errno.current
            socket.stop()
            throw ServerError("libmicrohttpd does not start for \(listener)", failure)
        }
        unsafe raw = daemon
        self.socket = socket
    }

    private static func options(
        _ limits: ServerLimits, _ context: UnsafeMutableRawPointer
    ) -> [MHD_OptionItem] {
        let log: MHD_LogCallback = unsafe lineLogged
        let target:
            @convention(c) (
                UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
            ) -> UnsafeMutableRawPointer? = unsafe requestLineCame
        let unescape:
            @convention(c) (
                UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
            ) -> Int = unsafe unescapeNothing
        let connection: MHD_NotifyConnectionCallback = unsafe connectionNotified
        let completed: MHD_RequestCompletedCallback = unsafe requestEnded
        // SAFETY: libmicrohttpd casts the integers back to the function types that it documents.
        return unsafe [
            option(.EXTERNAL_LOGGER, unsafeBitCast(log, to: Int.self), context),
            option(.URI_LOG_CALLBACK, unsafeBitCast(target, to: Int.self), context),
            option(.UNESCAPE_CALLBACK, unsafeBitCast(unescape, to: Int.self), context),
            option(.NOTIFY_CONNECTION, unsafeBitCast(connection, to: Int.self), context),
            option(.NOTIFY_COMPLETED, unsafeBitCast(completed, to: Int.self), context),
            option(.CONNECTION_MEMORY_LIMIT, connectionMemoryBytes),
            option(.CONNECTION_TIMEOUT, limits.idleSeconds),
            // 1.0 then refuses what HeaderLayout finds with 0.9.75, where strictness would only
            // mean closing without an answer.
            option(.STRICT_FOR_CLIENT, MHD_get_version().pointee == CChar(0x30) ? 0 : 1),
        ]
    }

    /// Which certificates count on a connection, its `TLSIdentity` says at the start.
    private static func tlsOptions() -> [MHD_OptionItem] {
        let wanted:
            @convention(c) (
                gnutls_session_t?, UnsafePointer<gnutls_datum_t>?, Int32,
                UnsafePointer<gnutls_pk_algorithm_t>?, Int32,
                UnsafeMutablePointer<UnsafeMutablePointer<gnutls_pcert_st>?>?,
                UnsafeMutablePointer<UInt32>?, UnsafeMutablePointer<gnutls_privkey_t?>?
            ) -> Int32 = unsafe noCertificate
        // SAFETY: the text is never freed; the function is cast back to its documented type.
        return unsafe [
            option(
                .HTTPS_CERT_CALLBACK, 0, unsafeBitCast(wanted, to: UnsafeMutableRawPointer.self)),
            option(.HTTPS_PRIORITIES, 0, strdup("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")),
        ]
    }

    /// Takes no further connection; those that are there go on.
    func quiesce() {
        unsafe MHD_quiesce_daemon(raw)
        socket.stop()
    }

    /// Closes all connections; none may be suspended. Blocks until the threads have ended. To be
    /// called once.
    func close() { unsafe MHD_stop_daemon(raw) }
}

private func option(
    _ option: MHD_OPTION, _ value: Int, _ pointer: UnsafeMutableRawPointer? = nil
) -> MHD_OptionItem {
    unsafe MHD_OptionItem(option: option, value: value, ptr_value: pointer)
}
