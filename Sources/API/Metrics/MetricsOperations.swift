internal import ControlPlane
internal import Events
internal import HTTP
internal import Linux
internal import Loading
internal import Problems

/// Never waits for the registry: everything is in memory or in `/proc`.
@Sendable func getMetrics(_ service: Service, _ call: Call) throws(Problem) -> Answer {
    if let accept = call.head.header("accept") {
        let ranges = accept.split(separator: ",").map { part in
            part.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        }
        guard ranges.isEmpty || ranges.contains(where: ["*/*", "text/*", "text/plain"].contains)
        else {
            throw Problem(.notAcceptable, "Accept: \(accept) leaves nothing: this is text/plain.")
        }
    }
    var text = MetricsText()
    text.begin("apiary_build_info", .gauge, "The release that runs")
    text.add(1, ["version": service.version])
    write(ProcessUsage.now(), to: &text)
    write(service.statistics.snapshot, to: &text)
    service.metrics.write(to: &text)
    write(service.node.counts(), to: &text)
    text.add(
        "apiary_event_readers", .gauge, "Readers of event streams",
        service.node.events.readerCount)
    // Names are for those who may see them in lists; numbers of the whole node tell none.
    let ledger = service.node.events.ledger(withReaders: false)
    write(ledger.filter { call.sees($0, service.node) }, to: &text)
    return Answer(body: .bytes(text.bytes, type: MetricsText.mediaType))
}

private func write(_ usage: ProcessUsage, to text: inout MetricsText) {
    text.add(
        "process_cpu_seconds_total", .counter, "CPU time of the daemon, all threads",
        seconds(usage.cpuNanoseconds))
    text.add(
        "process_resident_memory_bytes", .gauge, "Resident memory of the daemon",
        usage.residentBytes)
    text.add(
        "process_virtual_memory_bytes", .gauge, "Address space of the daemon", usage.virtualBytes)
    text.add("process_threads", .gauge, "Threads of the daemon", usage.threads)
    text.add("process_open_fds", .gauge, "Descriptors that are open", usage.openDescriptors)
    text.add("process_max_fds", .gauge, "Descriptors that may be open", usage.descriptorLimit)
    text.add(
        "process_start_time_seconds", .gauge, "Start of the daemon since 1970",
        seconds(usage.startedAtNanoseconds))
}

private func write(_ server: ServerStatistics.Snapshot, to text: inout MetricsText) {
    text.begin("apiary_http_connections", .gauge, "Open connections, by listener")
    text.add(server.unixConnections, ["listener": "unix"])
    text.add(server.tcpConnections, ["listener": "tcp"])
    text.add(
        "apiary_http_connections_accepted_total", .counter, "Connections that were accepted",
        server.acceptedConnections)
    text.add(
        "apiary_http_connections_expired_total", .counter,
        "Connections that were ended for want of progress", server.expiredConnections)
    text.add(
        "apiary_http_requests_running", .gauge, "Requests that run, streams among them",
        server.requests)
    text.add("apiary_http_streams", .gauge, "Answers that are streams and open", server.streams)
}

private func write(_ counts: NodeCounts, to text: inout MetricsText) {
    text.add(
        "apiary_ready", .gauge, "1 when what is registered was adopted or loaded",
        counts.isReady ? 1 : 0)
    text.add("apiary_revision", .gauge, "Number of the last change", counts.revision)
    text.begin("apiary_programs", .gauge, "Registered programs, by state")
    text.add(counts.loadedPrograms, ["state": "loaded"])
    text.add(counts.failedPrograms, ["state": "failed"])
    text.begin("apiary_probes", .gauge, "Registered probes, by state")
    text.add(counts.attachedProbes, ["state": "attached"])
    text.add(counts.disabledProbes, ["state": "disabled"])
    text.add(counts.failedProbes, ["state": "failed"])
    text.begin("apiary_maps", .gauge, "Maps of loaded programs, by type")
    for (type, count) in counts.maps.sorted(by: { $0.key < $1.key }) {
        text.add(count, ["type": type])
    }
    if let bytes = counts.mapMemoryBytes {
        text.add(
            "apiary_map_memory_bytes", .gauge, "Memory of all maps as the kernel accounts it",
            bytes)
    }
    text.begin("apiary_loads_total", .counter, "Runs of the loader on objects, by result")
    text.add(counts.loads.loaded, ["result": "loaded"])
    for stage in LoadFailure.Stage.allCases {
        text.add(counts.loads.failed[stage] ?? 0, ["result": stage.rawValue])
    }
    text.add(
        "apiary_load_seconds_total", .counter, "Time that runs of the loader took",
        seconds(counts.loads.nanoseconds))
}

/// So many streams have samples of their own; the rest is added up under an empty program.
private let shownStreams = 200

private func write(_ streams: [StreamLedger], to text: inout MetricsText) {
    let ledger = StreamTotals.all(of: streams)
    func family(
        _ name: String, _ kind: MetricsText.Kind, _ help: String,
        _ value: (StreamTotals) -> UInt64?
    ) {
        text.begin(name, kind, help)
        for totals in ledger {
            guard let value = value(totals) else { continue }
            text.add(value, ["program": totals.program, "map": totals.map])
        }
    }
    family(
        "apiary_events_produced_total", .counter,
        "Records that programs made; only of programs that count what they lose", \.produced)
    family("apiary_events_received_total", .counter, "Records taken from a ring", \.received)
    family("apiary_events_journaled_total", .counter, "Records that were valid", \.journaled)
    family(
        "apiary_events_invalid_total", .counter, "Records that did not fit what they declare",
        \.invalid)
    family(
        "apiary_events_evicted_total", .counter, "Journaled records that are no longer retained",
        \.evicted)
    family(
        "apiary_events_lost_in_kernel_total", .counter,
        "Records that found no room in the ring; only of programs that count them",
        \.lostInKernel)
    family(
        "apiary_events_unknown_gaps_total", .counter,
        "Times that records may have been lost of which nobody knows how many", \.unknownGaps)
    family(
        "apiary_events_lost_in_journal_total", .counter,
        "Records that found no room in the journal", \.lostInJournal)
    family(
        "apiary_journal_retained_bytes", .gauge, "Bytes of the journal's segments", \.retainedBytes)
}

/// The numbers of one stream, or of all that are not shown by name.
private struct StreamTotals {
    var program = ""
    var map = ""
    var produced: UInt64?
    var received: UInt64 = 0
    var journaled: UInt64 = 0
    var invalid: UInt64 = 0
    var evicted: UInt64 = 0
    var lostInKernel: UInt64?
    var unknownGaps: UInt64 = 0
    var lostInJournal: UInt64 = 0
    var retainedBytes: UInt64 = 0

    static func all(of ledger: [StreamLedger]) -> [StreamTotals] {
        var all = ledger.prefix(shownStreams).map { stream in
            var totals = StreamTotals(program: stream.key.program, map: stream.key.map)
            totals.add(stream)
            return totals
        }
        guard ledger.count > shownStreams else { return all }
        var rest = StreamTotals()
        for stream in ledger.dropFirst(shownStreams) { rest.add(stream) }
        all.append(rest)
        return all
    }

    private mutating func add(_ stream: StreamLedger) {
        if let made = stream.produced { produced = (produced ?? 0) + made }
        received += stream.received
        journaled += stream.journaled
        invalid += stream.invalid.values.reduce(0, +)
        evicted += stream.evicted
        if let lost = stream.lostInKernel { lostInKernel = (lostInKernel ?? 0) + lost }
        unknownGaps += stream.unknownGaps
        lostInJournal += stream.lostInJournal
        retainedBytes += UInt64(clamping: stream.retainedBytes)
    }
}
