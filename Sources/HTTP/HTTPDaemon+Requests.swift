internal import CMicrohttpd
internal import Linux

// A request's way: head, body, run, answer. All on the connection's HTTP thread but `run` of a
// worker.
extension HTTPDaemon {
    func headArrived(
        _ exchange: Exchange, _ connection: OpaquePointer, method: String, version: String
    ) -> MHD_Result {
        let fields = unsafe headerFields(connection)
        let sent = fields.first { isHeader($0.name, "x-request-id") }?.value
        exchange.requestID = RequestID.choose(sent)
        let head: RequestHead
        switch Gate.open(
            method: method, uri: exchange.uri, version: version, fields: fields,
            peer: unsafe connectionPeer(connection), requestID: exchange.requestID)
        {
        case .success(let opened): head = opened
        case .failure(let error): return unsafe refuse(error.refusal, exchange, connection)
        }
        exchange.head = head
        exchange.acceptsGzip = head.header("accept-encoding")?.contains("gzip") ?? false
        if refusesRequests { return unsafe refuse(.stopping, exchange, connection) }
        switch application.admit(head) {
        case .refuse(let response):
            return unsafe Responding.queue(
                response, exchange, on: connection, closes: hasBody(head))
        case .accept(let plan):
            let reader = BodyReader(
                plan, encoding: head.header("content-encoding"), seconds: limits.bodySeconds)
            if let length = head.header("content-length").flatMap({ Int($0) }) {
                reader.expect(length: length)
            }
            if let refusal = reader.refusal {
                return unsafe refuse(refusal, exchange, connection)
            }
            exchange.phase = .body(plan, reader)
            return MHD_Result.YES
        }
    }

    func bodyArrived(
        _ exchange: Exchange, _ connection: OpaquePointer, _ plan: Admission.Plan,
        _ reader: BodyReader
    ) -> MHD_Result {
        guard let head = exchange.head, let body = reader.finish() else {
            return unsafe refuse(
                reader.refusal ?? .malformed("The body is not acceptable."), exchange, connection)
        }
        let request = Request(head: head, body: body)
        if plan.place == .quick {
            exchange.answer = plan.handle(request)
            return unsafe answerArrived(exchange, connection)
        }
        exchange.phase = .running
        let pool = plan.place == .load ? loaders : workers
        // SAFETY: a suspended connection lives until it is resumed, which the job does as its last
        // act.
        let address = Int(bitPattern: connection)
        unsafe MHD_suspend_connection(connection)
        let isTaken = pool.submit { [exchange] in
            exchange.answer = plan.handle(request)
            unsafe MHD_resume_connection(OpaquePointer(bitPattern: address))
        }
        if !isTaken {
            exchange.answer = application.refuse(.tooManyRequests, requestID: exchange.requestID)
            unsafe MHD_resume_connection(connection)
        }
        return MHD_Result.YES
    }

    func answerArrived(_ exchange: Exchange, _ connection: OpaquePointer) -> MHD_Result {
        guard let answer = exchange.answer else { return MHD_Result.YES }
        exchange.answer = nil
        let result = unsafe Responding.queue(answer, exchange, on: connection, closes: false)
        if let stream = exchange.stream { opened(stream) }
        return result
    }

    private func refuse(_ refusal: Refusal, _ exchange: Exchange, _ connection: OpaquePointer)
        -> MHD_Result
    {
        let response = application.refuse(refusal, requestID: exchange.requestID)
        return unsafe Responding.queue(response, exchange, on: connection, closes: true)
    }

    private func hasBody(_ head: RequestHead) -> Bool {
        head.header("transfer-encoding") != nil || (head.header("content-length") ?? "0") != "0"
    }

    private func isHeader(_ name: [UInt8], _ wanted: String) -> Bool {
        name.count == wanted.utf8.count
            && zip(name, wanted.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
    }

    private func headerFields(_ connection: OpaquePointer) -> [Gate.Field] {
        final class Collector { var fields: [Gate.Field] = [] }
        let collector = Collector()
        collector.fields.reserveCapacity(8)
        // SAFETY: the collector outlives the one call that iterates over it.
        let context = unsafe Unmanaged.passUnretained(collector).toOpaque()
        _ = unsafe MHD_get_connection_values_n(
            connection, MHD_ValueKind.HEADER_KIND,
            { context, kind, key, keySize, value, valueSize in
                guard let context = unsafe context else { return MHD_Result.NO }
                let collector = unsafe Unmanaged<Collector>.fromOpaque(context)
                    .takeUnretainedValue()
                let name = unsafe UnsafeRawBufferPointer(start: key, count: keySize)
                let text = unsafe UnsafeRawBufferPointer(start: value, count: valueSize)
                unsafe collector.fields.append((name: Array(name), value: Array(text)))
                return MHD_Result.YES
            }, context)
        return collector.fields
    }
}
