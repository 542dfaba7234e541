internal import CMicrohttpd
internal import Linux
internal import Synchronization

/// One request, from its line to its answer's last byte: libmicrohttpd's `con_cls`.
///
/// Lives on its connection's HTTP thread. What other threads touch is in `Work` and `StreamPump`.
final class Exchange {
    private enum Stage {
        /// The request line came, the headers not yet.
        case line
        case receiving(BodyReceiver, Admission.Plan)
        /// Without a body.
        case ready(Admission.Plan)
        /// The answer is known; what is left of the body is thrown away.
        case discarding(Response)
        case working(Work)
        case answered
    }

    /// A body of this size is read for the sake of the connection where the request is refused.
    private static let discardedBytes = 64 << 10
    private static let paceAfterSeconds: UInt64 = 5
    /// What an HTTP thread compresses: about 2 ms of its time.
    private static let packedBytes = 256 << 10

    let core: Core
    let connection: Connection
    /// In bytes, with the query.
    let targetCount: Int
    private(set) var requestID = ""
    private var target: RequestTarget?
    private var targetRefusal: Refusal?
    private var stage = Stage.line
    private var head: RequestHead?
    private var acceptsGzip = false
    private var isHTTP10 = false
    private let began = Clock.monotonicNanoseconds()
    private var bodyBegan: UInt64 = 0
    private var tag: Int?
    private var pump: StreamPump?
    private var streamNumber: UInt64 = 0
    private var lingers = false

    init(_ core: Core, _ connection: Connection, target bytes: Span<UInt8>) {
        self.core = core
        self.connection = connection
        targetCount = bytes.count
        do { target = try RequestTarget(bytes) } catch { targetRefusal = error }
        core.requestBegan()
        connection.enterHead(second: core.watch.second)
    }

    /// The next thing to do for the request: libmicrohttpd's access handler.
    /// - Parameter intake: reads the headers, the first time.
    /// - Returns: false to close the connection.
    func proceed(
        _ mhd: OpaquePointer, piece: Span<UInt8>, intake: () -> Intake
    ) -> Bool {
        switch stage {
        case .line:
            return unsafe begin(mhd, intake())
        case .receiving(let receiver, let plan):
            guard piece.isEmpty else { return unsafe receive(mhd, piece, receiver) }
            do {
                return unsafe run(mhd, plan, try receiver.finish())
            } catch { return unsafe answer(mhd, refused(error)) }
        case .ready(let plan):
            return unsafe run(mhd, plan, plan.body == .none ? .none : .bytes([]))
        case .discarding(let response):
            return unsafe piece.isEmpty ? answer(mhd, response) : true
        case .working(let work):
            guard let response = work.take() else { return false }
            core.close(work.suspension)
            return unsafe send(mhd, response, closes: false)
        case .answered: return false
        }
    }

    // MARK: The head

    private func begin(_ mhd: OpaquePointer, _ intake: Intake) -> Bool {
        requestID = intake.gate.clientRequestID ?? core.requestIDs.make()
        acceptsGzip = intake.gate.acceptsGzip
        isHTTP10 = intake.isHTTP10
        do {
            let head = try checked(intake)
            self.head = head
            return unsafe admit(mhd, head, intake.gate)
        } catch {
            lingers = true
            return unsafe answer(mhd, refused(error), closes: true)
        }
    }

    private func checked(_ intake: Intake) throws(Refusal) -> RequestHead {
        if let failure = intake.failure { throw failure }
        if let targetRefusal { throw targetRefusal }
        guard let method = Method(rawValue: intake.method) else {
            throw .unknownMethod(intake.method)
        }
        guard let target else { throw .malformed("There is no request target.") }
        self.target = nil
        return RequestHead(
            method: method, rawPath: target.rawPath, segments: target.segments,
            query: target.query, headers: intake.gate.headers, peer: connection.peer,
            requestID: requestID)
    }

    private func admit(_ mhd: OpaquePointer, _ head: RequestHead, _ gate: Gate) -> Bool {
        connection.enter(gate.hasBody ? .body : .answer, second: core.watch.second)
        if core.isStopping {
            lingers = gate.hasBody
            return unsafe answer(mhd, refused(.stopping), closes: true)
        }
        do {
            switch core.application.admit(head) {
            case .refuse(let response): return unsafe refuse(mhd, response, gate)
            case .accept(let plan):
                tag = plan.tag
                stage = try accepted(plan, gate)
                bodyBegan = core.watch.second
                return true
            }
        } catch { return unsafe refuse(mhd, refused(error), gate) }
    }

    private func accepted(_ plan: Admission.Plan, _ gate: Gate) throws(Refusal) -> Stage {
        if plan.body == .none {
            guard !gate.hasBody else { throw .bodyTooLarge(limit: 0) }
            return .ready(plan)
        }
        if plan.body == .file && gate.framing == .none { throw .lengthRequired }
        if case .length(let length) = gate.framing, length > plan.bodyLimit {
            throw .bodyTooLarge(limit: plan.bodyLimit)
        }
        let encoding = try gate.bodyEncoding()
        if plan.body != .file && !gate.hasBody { return .ready(plan) }
        return .receiving(
            try BodyReceiver(
                into: plan.body, framing: gate.framing, limit: plan.bodyLimit,
                encoding: encoding), plan)
    }

    /// Answers without having taken the body: libmicrohttpd ends the connection where the answer
    /// comes before the body, so a small one is waited for.
    private func refuse(_ mhd: OpaquePointer, _ response: Response, _ gate: Gate) -> Bool {
        var isSmall = !gate.hasBody
        if case .length(let length) = gate.framing, length <= Self.discardedBytes {
            isSmall = !gate.expectsContinue || length == 0
        }
        if isSmall {
            stage = .discarding(response)
            return true
        }
        lingers = true
        return unsafe answer(mhd, response, closes: true)
    }

    // MARK: The body

    private func receive(
        _ mhd: OpaquePointer, _ piece: Span<UInt8>, _ receiver: BodyReceiver
    ) -> Bool {
        do throws(Refusal) {
            try receiver.take(piece)
            let seconds = core.watch.second - bodyBegan
            if seconds > Self.paceAfterSeconds {
                let least = core.limits.bodyMinimumBytesPerSecond * Int(clamping: seconds)
                guard receiver.received >= least, seconds <= core.limits.bodySeconds else {
                    throw .bodyTimeout
                }
            }
            return true
        } catch {
            // In the middle of a body libmicrohttpd takes no response.
            let response = refused(error)
            note(response)
            unsafe Answer.send(
                Answer.rendered(response, requestID: requestID), to: connection.descriptor,
                Peer.session(of: mhd))
            response.drop()
            lingers = true
            stage = .answered
            return false
        }
    }

    // MARK: The answer

    private func run(_ mhd: OpaquePointer, _ plan: Admission.Plan, _ body: Request.Body) -> Bool {
        connection.enter(.answer, second: core.watch.second)
        guard let head else { return false }
        let request = Request(head: head, body: body)
        if plan.place == .quick { return unsafe answer(mhd, plan.handle(request)) }
        let work = Work(unsafe core.makeSuspension(mhd))
        let acceptsGzip = acceptsGzip
        let job: @Sendable () -> Void = {
            work.finish(
                Answer.packed(plan.handle(request), acceptsGzip: acceptsGzip, upTo: .max))
        }
        guard core.submit(job, to: plan.place, isLocal: connection.peer.isLocal) else {
            core.close(work.suspension)
            return unsafe answer(mhd, refused(.tooManyRequests))
        }
        stage = .working(work)
        switch work.suspension.suspend() {
        case .suspended: return true
        case .woken: return unsafe proceed(mhd, piece: Span(), intake: { Intake() })
        case .ending: return false
        }
    }

    private func answer(_ mhd: OpaquePointer, _ response: Response, closes: Bool = false) -> Bool {
        unsafe send(
            mhd,
            Answer.packed(response, acceptsGzip: acceptsGzip, upTo: Self.packedBytes),
            closes: closes)
    }

    private func send(_ mhd: OpaquePointer, _ response: Response, closes: Bool) -> Bool {
        stage = .answered
        note(response)
        head = nil  // a stream may live for days
        connection.enter(.answer, second: core.watch.second)
        if case .stream(let stream) = response.body {
            let turns = core.turns(of: connection.peer)
            pump = StreamPump(
                stream, unsafe core.makeSuspension(mhd, turns), turns, connection.activity)
        }
        guard let made = unsafe Answer.make(response.body, pump, isHTTP10: isHTTP10) else {
            return false
        }
        defer { unsafe MHD_destroy_response(made) }
        unsafe Answer.addHeaders(
            made, response.headers, requestID: requestID, closes: closes || core.isStopping)
        if let pump {
            core.statistics.streamBegan()
            streamNumber = core.watch.addStream(pump, descriptor: connection.descriptor)
        }
        return unsafe MHD_queue_response(mhd, UInt32(clamping: response.status), made) == .YES
    }

    private func note(_ response: Response) {
        core.application.note(
            AnswerNote(
                tag: tag, status: response.status,
                nanoseconds: Clock.monotonicNanoseconds() - began, requestID: requestID, head: head,
                peer: connection.peer))
    }

    private func refused(_ refusal: Refusal) -> Response {
        core.application.refuse(refusal, requestID: requestID)
    }

    /// The request is over, however it ended; the connection may go on.
    func end() {
        if let pump {
            // Its answer could not be made: it was never counted.
            if streamNumber != 0 { core.statistics.streamEnded() }
            core.watch.removeStream(streamNumber)
            core.close(pump.suspension)
            pump.close()
        }
        switch stage {
        case .working(let work):
            core.close(work.suspension)
            work.abandon()
        case .discarding(let response): response.drop()
        case .line, .receiving, .ready, .answered: break
        }
        if lingers, let descriptor = connection.duplicate() { core.watch.linger(descriptor) }
        connection.enter(.idle, second: core.watch.second)
        core.requestEnded()
    }
}

/// A handler's run on another thread.
final class Work: Sendable {
    private struct State {
        var response: Response?
        var isAbandoned = false
    }

    let suspension: Suspension
    private let state = Mutex(State())

    init(_ suspension: Suspension) { self.suspension = suspension }

    /// Called once, by the worker.
    func finish(_ response: Response) {
        let isWanted = state.withLock { state in
            if !state.isAbandoned { state.response = response }
            return !state.isAbandoned
        }
        if isWanted { suspension.wake() } else { response.drop() }
    }

    func take() -> Response? { state.withLock { $0.response.take() } }

    /// The connection is gone: nobody will take the response.
    func abandon() {
        let response = state.withLock { state in
            state.isAbandoned = true
            return state.response.take()
        }
        response?.drop()
    }
}

extension Response {
    /// Tells a stream that it will not be sent.
    fileprivate func drop() {
        if case .stream(let stream) = body { stream.closed() }
    }
}
