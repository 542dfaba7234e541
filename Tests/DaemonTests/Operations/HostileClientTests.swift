import JSON
import Linux
import TestSupport
import Testing

/// Clients that mean harm, some hundred or thousand at once: everybody else is answered meanwhile,
/// and afterwards connections, descriptors and memory are where they were.
@Suite(.requiresRoot, .serialized) struct HostileClientTests {
    /// The deadlines are short, so that the test is.
    private static let settings = [
        "--set", "head_timeout_s=4", "--set", "body_timeout_s=4", "--set", "idle_timeout_s=4",
        "--set", "slow_consumer_s=4",
    ]

    @Test(.requires("slowhttptest"), arguments: ["-H", "-B", "-X"])
    func `slow clients by the thousand are ended, and harm nobody`(mode: String) throws {
        let (apiary, port) = try Self.daemon()
        #expect(try apiary.isAtRest)
        let before = try Footprint(apiary)
        let path = mode == "-B" ? "v1/probes" : mode == "-X" ? "v1/openapi.json" : "v1/health"
        let words: [String] =
            switch mode {
            case "-H": ["-i", "2", "-x", "24", "-t", "GET"]
            case "-B": ["-i", "2", "-x", "10", "-t", "POST", "-s", "8192"]
            default: ["-w", "1", "-y", "64", "-z", "1", "-n", "2", "-k", "3"]
            }
        let slow = try BackgroundProcess(
            ["slowhttptest", mode, "-c", "1000", "-r", "500", "-l", "12", "-p", "3"]
                + words + ["-u", "http://127.0.0.1:\(port)/\(path)"],
            log: apiary.directory + "/slow.log")
        var latencies: [UInt64] = []
        while slow.isRunning && latencies.count < 5000 {
            latencies.append(try Self.latency(apiary))
        }
        slow.stop()
        #expect(latencies.count > 3, "\(slow.text)")
        Self.tell("slowhttptest \(mode)", latencies)
        try Self.expectQuiet(apiary, as: before)
    }

    @Test(
        .requires("python3"),
        arguments: [
            "large_header", "many_headers", "lying_length", "short_length", "gzip_bomb",
            "chunk_extension", "endless_chunks", "silent",
        ])
    func `a request that lies or has no end is refused or ended`(name: String) throws {
        let (apiary, port) = try Self.daemon()
        #expect(try apiary.isAtRest)
        let before = try Footprint(apiary)
        let isHeavy = ["gzip_bomb", "endless_chunks", "chunk_extension"].contains(name)
        let clients = try BackgroundProcess(
            [
                "python3", Repository.root + "/scripts/hostile.py", name, "127.0.0.1", "\(port)",
                isHeavy ? "8" : "100",
            ], log: apiary.directory + "/hostile.log")
        var latencies: [UInt64] = []
        while clients.isRunning && latencies.count < 5000 {
            latencies.append(try Self.latency(apiary))
        }
        clients.stop()
        let outcomes = try JSONValue.parse(clients.text)
        for member in outcomes.object ?? JSONObject() {
            // 500 is libmicrohttpd's own word for a chunk extension that fills its buffer.
            let isFine =
                ["400", "408", "411", "413", "414", "422", "431", "closed"].contains(member.name)
                || (name == "chunk_extension" && member.name == "500")
            #expect(isFine, "\(name): \(clients.text)")
        }
        #expect(outcomes.object?.isEmpty == false, "\(clients.text)")
        Self.tell("\(name): \(clients.text)", latencies)
        try Self.expectQuiet(apiary, as: before)
    }

    /// The clients' link goes down under their streams: no FIN, no RST, no ACK ever comes.
    @Test(.requires("python3"), .requires("nsenter"))
    func `streams of clients that vanish are ended`() throws {
        let space = "apiary-\(UInt32.random(in: 0..<1_000_000))"
        try Machine.run("ip", "netns", "add", space)
        defer { _ = try? Machine.run("ip", "netns", "del", space) }
        try Machine.run("ip", "-n", space, "link", "set", "lo", "up")
        let port = try Machine.freePort()
        let apiary = try TestDaemon(
            arguments: ["--listen", "127.0.0.1:\(port)", "--unprotected"] + Self.settings,
            isStarted: false)
        apiary.launcher = ["/usr/bin/nsenter", "--net=/run/netns/\(space)"]
        try apiary.start()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "events.bpf.o").answers(201)
        #expect(try apiary.isAtRest)
        let before = try Footprint(apiary)
        let clients = try BackgroundProcess(
            [
                "nsenter", "--net=/run/netns/\(space)", "sh", "-c",
                "sleep 600 | python3 \(Repository.root)/scripts/hostile.py streams 127.0.0.1 "
                    + "\(port) 50",
            ], log: apiary.directory + "/streams.log")
        defer { clients.stop() }
        _ = try eventually { clients.text.contains("{\"open\": 50}") ? true : nil }
        #expect(try Self.metric("apiary_http_streams", apiary) == 50)
        try Machine.run("ip", "-n", space, "link", "set", "lo", "down")
        // Heartbeats come every 15 s; what stays unacknowledged for 4 s ends the stream.
        _ = try eventually(seconds: 90) {
            try Self.metric("apiary_http_streams", apiary) == 0 ? true : nil
        }
        try Self.expectQuiet(apiary, as: before)
    }

    // MARK: What is looked at

    private static func daemon() throws -> (TestDaemon, UInt16) {
        let port = try Machine.freePort()
        let apiary = try TestDaemon(
            arguments: ["--listen", "127.0.0.1:\(port)", "--unprotected"] + settings)
        // What is allocated once.
        for _ in 0..<20 { _ = try latency(apiary) }
        #expect(try apiary.isAtRest)
        return (apiary, port)
    }

    /// Of one request of somebody else, over the Unix socket; in microseconds.
    private static func latency(_ apiary: TestDaemon) throws -> UInt64 {
        let said = try Machine.run(
            "curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{time_total}",
            "--unix-socket", apiary.socket, "http://localhost/v1/health")
        let words = said.split(separator: " ")
        #expect(words.first == "200", "\(said)")
        return UInt64((Double(words.last ?? "") ?? 0) * 1e6)
    }

    private static func tell(_ what: String, _ latencies: [UInt64]) {
        let sorted = latencies.sorted()
        guard let last = sorted.last else { return }
        let line = what.split(separator: "\n").first ?? ""
        print(
            "HostileClientTests: \(line): others' GET p50 \(sorted[sorted.count / 2]) µs, "
                + "p99 \(sorted[sorted.count * 99 / 100]) µs, most \(last) µs, n=\(sorted.count)")
    }

    private static func metric(_ name: String, _ apiary: TestDaemon) throws -> Int? {
        try apiary.curl("GET /metrics").text.split(separator: "\n")
            .first { $0.hasPrefix(name + " ") }
            .flatMap { Int($0.dropFirst(name.count + 1)) }
    }

    private static func expectQuiet(_ apiary: TestDaemon, as before: Footprint) throws {
        _ = try? eventually(seconds: 60) {
            try Footprint(apiary).descriptors <= before.descriptors ? true : nil
        }
        let after = try Footprint(apiary)
        #expect(after.descriptors <= before.descriptors)
        #expect(after.threads == before.threads)
        // The heap may keep some; a thousand connections had 32 MiB and more.
        let grown = after.residentKiB - before.residentKiB
        #expect(grown < 24 << 10, "\(before) became \(after)")
        print("HostileClientTests: \(grown) KiB more, \(after.descriptors) descriptors")
    }
}

/// What the daemon holds.
private struct Footprint {
    let descriptors: Int
    let threads: Int
    let residentKiB: Int

    init(_ apiary: TestDaemon) throws {
        let id = apiary.processIdentifier ?? 0
        descriptors = try FileSystem.list("/proc/\(id)/fd").count
        threads = try FileSystem.list("/proc/\(id)/task").count
        let line = (FileSystem.text("/proc/\(id)/status") ?? "").split(separator: "\n")
            .first { $0.hasPrefix("VmRSS:") }
        residentKiB = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
