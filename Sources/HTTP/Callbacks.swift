internal import CMicrohttpd
internal import Glibc
internal import Linux

// What libmicrohttpd calls. Each finds its Swift object in the pointer that it was given and goes
// on there.

typealias URIFunction =
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
    ) -> UnsafeMutableRawPointer?
typealias CompletedFunction =
    @convention(c) (
        UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
        MHD_RequestTerminationCode
    ) -> Void
typealias ConnectionFunction =
    @convention(c) (
        UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
        MHD_ConnectionNotificationCode
    ) -> Void
typealias LogFunction =
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafePointer<CChar>?, UnsafeMutableRawPointer?
    ) -> Void
typealias UnescapeFunction =
    @convention(c) (
        UnsafeMutableRawPointer?, OpaquePointer?, UnsafeMutablePointer<CChar>?
    ) -> Int

/// The request line's target as it came: libmicrohttpd's own splitting and decoding are not used.
// SAFETY: the exchange is retained here and given back in `requestCompleted`, which comes for every
// request for which this was called.
func uriArrived(
    _ context: UnsafeMutableRawPointer?, _ uri: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    let text = unsafe uri.map { unsafe String(cString: $0) } ?? ""
    return unsafe Unmanaged.passRetained(Exchange(uri: text)).toOpaque()
}

func requestCompleted(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_RequestTerminationCode
) {
    guard let context = unsafe context, let slot = unsafe slot, let raw = unsafe slot.pointee
    else { return }
    unsafe slot.pointee = nil
    let daemon = unsafe Unmanaged<HTTPDaemon>.fromOpaque(context).takeUnretainedValue()
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(raw).takeRetainedValue()
    if let stream = exchange.stream { daemon.closed(stream) }
}

// SAFETY: the context is retained when the connection starts and given back when it is closed.
func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_ConnectionNotificationCode
) {
    guard let slot = unsafe slot, let connection = unsafe connection else { return }
    if code == MHD_ConnectionNotificationCode.CONNECTION_NOTIFY_STARTED {
        let made = unsafe ConnectionContext(peer: peer(of: connection))
        unsafe slot.pointee = Unmanaged.passRetained(made).toOpaque()
    } else if let raw = unsafe slot.pointee {
        unsafe Unmanaged<ConnectionContext>.fromOpaque(raw).release()
        unsafe slot.pointee = nil
    }
}

private func peer(of connection: OpaquePointer) -> Peer {
    let information = unsafe MHD_get_connection_info_fd(connection)
    if let credentials = PeerCredentials(socket: information) { return .unix(credentials) }
    return .tcp(address: TCPSocket.peerAddress(information) ?? "")
}

/// What a connection's first callback found out.
func connectionPeer(_ connection: OpaquePointer) -> Peer {
    guard let raw = unsafe MHD_get_connection_context(connection) else {
        return unsafe peer(of: connection)
    }
    return unsafe Unmanaged<ConnectionContext>.fromOpaque(raw).takeUnretainedValue().peer
}

func leaveEscaped(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ text: UnsafeMutablePointer<CChar>?
) -> Int {
    unsafe text.map { unsafe strlen($0) } ?? 0
}

/// libmicrohttpd's own complaints are about broken connections, one line each at a client's will:
/// they would let anybody fill the log, and are dropped.
func messageLogged(
    _ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?,
    _ list: UnsafeMutableRawPointer?
) {}

func requestArrived(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?,
    _ dataSize: UnsafeMutablePointer<Int>?, _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context = unsafe context, let connection = unsafe connection,
        let slot = unsafe slot, let raw = unsafe slot.pointee, let dataSize = unsafe dataSize,
        let method = unsafe method, let version = unsafe version
    else { return MHD_Result.NO }
    let daemon = unsafe Unmanaged<HTTPDaemon>.fromOpaque(context).takeUnretainedValue()
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(raw).takeUnretainedValue()
    switch exchange.phase {
    case .head:
        return unsafe daemon.headArrived(
            exchange, connection, method: String(cString: method),
            version: String(cString: version))
    case .body(let plan, let reader):
        if unsafe dataSize.pointee > 0, let data = unsafe data {
            let count = unsafe dataSize.pointee
            unsafe data.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
                let piece = unsafe UnsafeBufferPointer(start: bytes, count: count)
                unsafe reader.take(piece.span)
            }
            unsafe dataSize.pointee = 0
            return MHD_Result.YES
        }
        return unsafe daemon.bodyArrived(exchange, connection, plan, reader)
    case .running: return unsafe daemon.answerArrived(exchange, connection)
    case .answered: return MHD_Result.YES
    }
}
