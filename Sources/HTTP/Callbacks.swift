internal import CMicrohttpd
internal import Glibc

// What libmicrohttpd calls. `context` is the Core, which the Server keeps until its daemons are
// stopped; a connection's Connection is retained from its start to its end, a request's Exchange
// from its line to its end.

/// MHD_NotifyConnectionCallback.
func connectionNotified(
    _ context: UnsafeMutableRawPointer?, _ mhd: OpaquePointer?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_ConnectionNotificationCode
) {
    guard let context = unsafe context, let mhd = unsafe mhd, let slot = unsafe slot else { return }
    let core = unsafe Unmanaged<Core>.fromOpaque(context).takeUnretainedValue()
    switch code {
    case .CONNECTION_NOTIFY_STARTED:
        // SAFETY: the descriptor is the connection's, which closes it after it announced its end.
        guard
            let info = unsafe apiary_mhd_connection_info(mhd, .CONNECTION_INFO_CONNECTION_FD)
        else { return }
        let descriptor = unsafe info.pointee.connect_fd
        if let session = unsafe Peer.session(of: mhd) {
            unsafe TLSIdentity.current?.serve(session)
        }
        let peer = unsafe Peer.of(mhd, descriptor: descriptor)
        let connection = Connection(
            descriptor: descriptor, peer: peer, second: core.watch.second, core.activity(of: peer))
        core.statistics.connectionOpened(connection.peer)
        core.watch.add(connection)
        unsafe slot.pointee = Unmanaged.passRetained(connection).toOpaque()
    case .CONNECTION_NOTIFY_CLOSED:
        guard let raw = unsafe slot.pointee else { return }
        unsafe slot.pointee = nil
        // SAFETY: taken back once, the slot is empty now.
        let connection = unsafe Unmanaged<Connection>.fromOpaque(raw).takeRetainedValue()
        connection.activity.note(second: core.watch.second)
        core.statistics.connectionClosed(connection.peer)
        core.watch.remove(connection)
    @unknown default: return
    }
}

/// MHD_OPTION_URI_LOG_CALLBACK: the one moment at which the target is as the client sent it.
func requestLineCame(
    _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ mhd: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context, let mhd = unsafe mhd, let target = unsafe target,
        let info = unsafe apiary_mhd_connection_info(mhd, .CONNECTION_INFO_SOCKET_CONTEXT),
        let raw = unsafe info.pointee.socket_context
    else { return nil }
    let core = unsafe Unmanaged<Core>.fromOpaque(context).takeUnretainedValue()
    let connection = unsafe Unmanaged<Connection>.fromOpaque(raw).takeUnretainedValue()
    unsafe connection.secure(mhd)
    let count = unsafe strlen(target)
    // SAFETY: the text is the connection's for this call.
    let exchange = unsafe target.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
        unsafe Exchange(core, connection, target: Span(_unsafeStart: bytes, count: count))
    }
    unsafe hideQuery(of: target)
    return unsafe Unmanaged.passRetained(exchange).toOpaque()
}

/// Leaves libmicrohttpd nothing behind the question mark. It would make a record for each parameter
/// in the connection's memory, which nobody reads; where that memory is full (some 400), it goes
/// silent until the deadline, instead of letting us refuse so many.
private func hideQuery(of target: UnsafePointer<CChar>) {
    guard let mark = unsafe strchr(target, Int32(UInt8(ascii: "?"))) else { return }
    // SAFETY: the text lies in the connection's own buffer, which libmicrohttpd writes to next: it
    // puts a NUL in the mark's place. There is a byte behind the mark, if only the text's NUL.
    unsafe mark[1] = 0
}

/// MHD_AccessHandlerCallback.
func requestWanted(
    _ context: UnsafeMutableRawPointer?, _ mhd: OpaquePointer?, _ target: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?,
    _ data: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let mhd = unsafe mhd, let target = unsafe target, let method = unsafe method,
        let version = unsafe version, let size = unsafe size, let raw = unsafe slot?.pointee
    else { return .NO }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(raw).takeUnretainedValue()
    let intake = {
        unsafe Intake(mhd, exchange, target: target, method: method, version: version)
    }
    let count = unsafe size.pointee
    guard let data = unsafe data, count > 0 else {
        return unsafe exchange.proceed(mhd, piece: Span(), intake: intake) ? .YES : .NO
    }
    unsafe size.pointee = 0  // all of it is taken
    // SAFETY: the bytes are the connection's for this call.
    return unsafe data.withMemoryRebound(to: UInt8.self, capacity: count) { bytes in
        unsafe exchange.proceed(mhd, piece: Span(_unsafeStart: bytes, count: count), intake: intake)
            ? .YES : .NO
    }
}

/// MHD_RequestCompletedCallback: before the response is destroyed.
func requestEnded(
    _ context: UnsafeMutableRawPointer?, _ mhd: OpaquePointer?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ code: MHD_RequestTerminationCode
) {
    guard let slot = unsafe slot, let raw = unsafe slot.pointee else { return }
    unsafe slot.pointee = nil
    // SAFETY: taken back once, the slot is empty now.
    unsafe Unmanaged<Exchange>.fromOpaque(raw).takeRetainedValue().end()
}

/// MHD_OPTION_UNESCAPE_CALLBACK: the target is decoded after it was split, by us.
func unescapeNothing(
    _ context: UnsafeMutableRawPointer?, _ mhd: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?
) -> Int {
    guard let text = unsafe text else { return 0 }
    return unsafe strlen(text)
}

/// MHD_LogCallback.
func lineLogged(
    _ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?,
    _ arguments: CVaListPointer?
) {
    guard let context = unsafe context, let format = unsafe format, let arguments = unsafe arguments
    else { return }
    unsafe Unmanaged<Core>.fromOpaque(context).takeUnretainedValue().log.write(format, arguments)
}
