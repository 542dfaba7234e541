import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct MetricsTests {
    @Test func `the metrics tell what was asked and what there is`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "counter.bpf.o").answers(201)
        try apiary.curl("GET /v1/programs/y").answers(404)
        try apiary.curl("PUT /v1/programs/z", file: "/bin/true").answers(422)
        let answer = try apiary.curl("GET /metrics").answers(200)
        #expect(answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        let text = "\n" + answer.text
        for line in [
            #"apiary_http_requests_total{operation="put_program",status="201"} 1"#,
            #"apiary_http_requests_total{operation="get_program",status="404"} 1"#,
            #"apiary_problems_total{code="not_found"} 1"#,
            #"apiary_problems_total{code="map_full"} 0"#,
            #"apiary_programs{state="loaded"} 1"#,
            #"apiary_probes{state="attached"} 1"#,
            #"apiary_loads_total{result="loaded"} 1"#,
            #"apiary_loads_total{result="elf"} 1"#,
            #"apiary_http_request_duration_seconds_count{operation="put_program"} 2"#,
            #"apiary_http_connections{listener="unix"} 1"#,
            "apiary_ready 1",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line) is not in \(text)")
        }
        for name in [
            "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
            "apiary_map_memory_bytes", "apiary_http_streams",
        ] {
            #expect(value(of: name, in: text) != nil, "\(name)")
        }
        #expect((value(of: "process_resident_memory_bytes", in: text) ?? 0) > 1_000_000)
        try apiary.curl("GET /metrics", "Accept: application/json")
            .answers(406, problem: .notAcceptable)
        try apiary.curl("HEAD /metrics").answers(200)
        // What Prometheus itself asks for.
        try apiary.curl(
            "GET /metrics",
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        ).answers(200)
    }

    @Test func `a stream and its records are counted`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "events.bpf.o").answers(201)
        let stream = try apiary.stream("GET /v1/events?program=x&since=oldest")
        try stream.lines { $0["kind"] == "hello" }
        let text = try eventually {
            let text = "\n" + (try apiary.curl("GET /metrics").text)
            return value(of: "apiary_http_streams", in: text) == 1 ? text : nil
        }
        #expect(value(of: "apiary_event_readers", in: text) == 1)
        #expect(text.contains("apiary_events_received_total{program=\"x\",map=\""))
        stream.stop()
        _ = try eventually {
            let text = "\n" + (try apiary.curl("GET /metrics").text)
            return value(of: "apiary_http_streams", in: text) == 0 ? text : nil
        }
    }

    @Test(.requires("promtool")) func `promtool has nothing to say about them`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/x?attach=auto", file: "events.bpf.o").answers(201)
        let file = apiary.directory + "/metrics"
        let text = try apiary.curl("GET /metrics").body
        try FileSystem.replace(file, with: text.span)
        let said = try Machine.run("sh", "-c", "promtool check metrics < '\(file)' 2>&1 || true")
        #expect(said == "", "\(said)")
    }

    @Test(.requires("prometheus")) func `a Prometheus scrapes them`() throws {
        let port = try Machine.freePort()
        let apiary = try TestDaemon(
            arguments: ["--listen", "127.0.0.1:\(port)", "--unprotected"])
        let own = try Machine.freePort()
        try FileSystem.replace(
            apiary.directory + "/prometheus.yml",
            with: Array(
                """
                global: {scrape_interval: 1s}
                scrape_configs:
                  - job_name: apiary
                    static_configs: [{targets: ['127.0.0.1:\(port)']}]

                """.utf8
            ).span)
        let prometheus = try Machine.start(
            "prometheus", "--config.file=\(apiary.directory)/prometheus.yml",
            "--storage.tsdb.path=\(apiary.directory)/prometheus",
            "--web.listen-address=127.0.0.1:\(own)", log: apiary.directory + "/prometheus.log")
        defer { prometheus.stop() }
        func ask(_ expression: String) throws -> JSONValue? {
            let text = try Machine.run(
                "sh", "-c",
                "curl -s --get --data-urlencode 'query=\(expression)' "
                    + "http://127.0.0.1:\(own)/api/v1/query || true")
            do { return try JSONValue.parse(text).at("/data/result/0/value/1") } catch {
                return nil
            }
        }
        let up = try eventually { try ask(#"up{job="apiary"}"#) == "1" ? true : nil }
        #expect(up)
        let scraped = try eventually {
            try ask(#"apiary_http_requests_total{operation="get_metrics",status="200"}"#)
        }
        #expect(scraped != nil)
    }

    @Test func `health and metrics answer while the registry hangs`() throws {
        let apiary = try TestDaemon()
        // Another process holds the write lock: every change waits, up to SQLite's 5 s.
        let holder = try Machine.start(
            "sh", "-c",
            "(echo 'BEGIN EXCLUSIVE;'; echo '.print held'; sleep 60) | "
                + "sqlite3 '\(apiary.stateDirectory)/registry.sqlite'",
            log: apiary.directory + "/holder.log")
        defer { holder.stop() }
        _ = try eventually {
            FileSystem.text(apiary.directory + "/holder.log")?.contains("held") == true
                ? true : nil
        }
        // More changes than there are workers, reserve included.
        let changes = try (0..<12).map { number in
            try Machine.start(
                "curl", "-s", "-m", "60", "--unix-socket", apiary.socket, "-T",
                Repository.object("counter.bpf.o"), "http://localhost/v1/programs/p\(number)",
                log: apiary.directory + "/change.log")
        }
        defer { for change in changes { change.stop() } }
        _ = try eventually {
            let text = "\n" + (try apiary.curl("GET /metrics", deadlineSeconds: 3).text)
            return (value(of: "apiary_http_requests_running", in: text) ?? 0) >= 12 ? true : nil
        }
        for _ in 0..<5 {
            try apiary.curl("GET /v1/health", deadlineSeconds: 3).answers(200)
            try apiary.curl("GET /v1/ready", deadlineSeconds: 3).answers(200)
            try apiary.curl("GET /metrics", deadlineSeconds: 3).answers(200)
        }
        holder.stop()
        try apiary.curl("PUT /v1/programs/x", file: "counter.bpf.o").answers(201)
    }

    private func value(of name: String, in text: String) -> Double? {
        for line in text.split(separator: "\n") where line.hasPrefix(name + " ") {
            return Double(line.dropFirst(name.count + 1))
        }
        return nil
    }
}
