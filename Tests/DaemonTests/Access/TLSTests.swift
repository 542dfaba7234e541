import JSON
import Linux
import TestSupport
import Testing

/// Certificates of one test, made by openssl.
private struct Certificates {
    let directory: String

    init(_ directory: String) throws {
        self.directory = directory
        try FileSystem.makeDirectories(directory)
        try authority("ca")
        try authority("other")
        try shell("cp ca.pem clients.pem")
        try make("server", "DNS:localhost,IP:127.0.0.1", by: "ca")
        try make("ci", "DNS:ci.example", by: "ca", "extendedKeyUsage=clientAuth")
        try make("unnamed", "DNS:nobody.example", by: "ca")
        try make("server-only", "DNS:ci.example", by: "ca", "extendedKeyUsage=serverAuth")
        try make("forged", "DNS:ci.example", by: "other")
        try make("expired", "DNS:ci.example", by: "ca", days: -1)
    }

    func path(_ name: String) -> String { directory + "/" + name }

    private func shell(_ line: String) throws {
        let exit = try Child.run(
            "/bin/sh", arguments: ["-ec", "cd \(directory); " + line],
            environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 60_000, outputLimit: 65536)
        let isFine = exit.reason == .exited(0)
        try #require(isFine, "\(String(decoding: exit.errors, as: UTF8.self))")
    }

    private static let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

    private func authority(_ name: String) throws {
        try shell(
            "openssl req -x509 \(Self.key) -keyout \(name).key -out \(name).pem -days 2 "
                + "-subj '/CN=\(name)'")
    }

    func make(
        _ name: String, _ names: String, by authority: String, _ more: String = "", days: Int = 2
    ) throws {
        try shell(
            """
            openssl req \(Self.key) -keyout \(name).key -out \(name).csr -subj '/CN=\(name)'
            printf 'subjectAltName=\(names)\\n\(more)\\n' > \(name).ext
            openssl x509 -req -in \(name).csr -CA \(authority).pem -CAkey \(authority).key \
                -CAcreateserial -days \(days) -out \(name).pem -extfile \(name).ext
            """)
    }
}

@Suite(.requiresRoot) struct TLSTests {
    private let apiary: TestDaemon
    private let certificates: Certificates
    private let port: Int

    init() throws {
        port = try TestDaemon.freePort()
        apiary = try TestDaemon(isStarted: false)
        certificates = try Certificates(apiary.directory + "/tls")
        apiary.arguments = [
            "--listen", "https://127.0.0.1:\(port)",
            "--set", "tls_cert=\(certificates.path("server.pem"))",
            "--set", "tls_key=\(certificates.path("server.key"))",
            "--set", "client_ca=\(certificates.path("clients.pem"))",
            "--set", "certificates=ci.example=operate",
        ]
        try apiary.start()
    }

    private func tls(_ name: String? = nil) -> CurlReach {
        guard let name else { return .tls(port, "--cacert", certificates.path("ca.pem")) }
        return .tls(
            port, "--cacert", certificates.path("ca.pem"), "--cert",
            certificates.path(name + ".pem"),
            "--key", certificates.path(name + ".key"))
    }

    @Test func `a certificate's names have roles`() throws {
        try apiary.curl("GET /v1/health", by: tls()).answers(200)
        try apiary.curl("GET /v1/programs", by: tls()).answers(401, problem: .unauthenticated)
        try apiary.curl("GET /v1/programs", by: tls("ci")).answers(200)
        try apiary.curl("DELETE /v1/probes/x", by: tls("ci")).answers(404)
        try apiary.curl("GET /v1/tokens", by: tls("ci")).answers(403, problem: .forbidden)
        try apiary.curl("GET /v1/programs", by: tls("unnamed")).answers(403, problem: .forbidden)
    }

    @Test func `a certificate that is not valid opens nothing, and it is said why`() throws {
        for (name, why) in [
            ("forged", "issuer is unknown"), ("server-only", "does not match the intended purpose"),
            ("expired", "expired"),
        ] {
            let answer = try apiary.curl("GET /v1/programs", by: tls(name)).answers(401)
            #expect(answer["/detail"]?.string?.contains(why) == true, "\(answer)")
        }
    }

    @Test func `tokens, streams and uploads work over TLS`() throws {
        let made = try apiary.curl("POST /v1/tokens", json: #"{"name":"t","role":"admin"}"#)
        let bearer = "Authorization: Bearer \(made["/token"]?.string ?? "")"
        try apiary.curl("PUT /v1/programs/e", bearer, file: "events.bpf.o", by: tls()).answers(201)
        let object = try apiary.curl("GET /v1/programs/e/object", bearer, by: tls()).answers(200)
        #expect(object.body == (try FileSystem.read(Repository.object("events.bpf.o"))))
        let stream = try apiary.stream("GET /v1/events", bearer, by: tls())
        _ = try stream.next(kind: "hello")
        try apiary.curl("DELETE /v1/tokens/t").answers(204)
        #expect(try stream.rest().lines.last?["reason"] == "token_revoked")
        let audit = try apiary.curl("GET /v1/audit?action=put_program").answers(200)
        #expect(audit["/items/0/actor"] == "token:t")
        #expect(audit["/items/0/peer"] == "tls:127.0.0.1")
    }

    @Test(.requires("python3"))
    func `many clients are served beside those who never finish a handshake`()
        throws
    {
        let descriptors = "/proc/\(apiary.processIdentifier ?? 0)/fd"
        #expect(try apiary.isAtRest)
        let before = try FileSystem.list(descriptors).count
        let silent = try Machine.start(
            "python3", Repository.root + "/scripts/hostile.py", "silent", "127.0.0.1", "\(port)",
            "200", log: apiary.directory + "/silent")
        defer { silent.stop() }
        let said = try Machine.run(
            "sh", "-c",
            "curl -sS --parallel --parallel-max 30 --cacert \(certificates.path("ca.pem")) "
                + "-o /dev/null -w '%{http_code}\\n' "
                + "'https://127.0.0.1:\(port)/v1/health#[1-600]' | sort | uniq -c")
        #expect(said.split(separator: " ").joined(separator: " ") == "600 200\n", "\(said)")
        silent.stop()
        #expect(try Machine.waits { try FileSystem.list(descriptors).count <= before })
    }

    @Test func `versions below 1.2 are refused`() throws {
        func ask(_ arguments: String...) throws -> Bool {
            let exit = try Child.run(
                "/usr/bin/curl",
                arguments: ["-s", "--cacert", certificates.path("ca.pem")] + arguments + [
                    "https://127.0.0.1:\(port)/v1/health"
                ], environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 20_000,
                outputLimit: 4096)
            let isFine = exit.reason == .exited(0)
            return isFine
        }
        #expect(try ask("--tls-max", "1.2"))
        #expect(try ask("--tlsv1.3"))
        #expect(try !ask("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0"))
    }

    @Test func `SIGHUP takes a new certificate; a wrong one changes nothing`() throws {
        try certificates.make("next", "DNS:localhost,IP:127.0.0.1", by: "other")
        let key = try FileSystem.read(certificates.path("next.key"))
        try FileSystem.replace(certificates.path("server.key"), with: key.span)
        apiary.signal(1)
        #expect(
            try Machine.waits { apiary.log.contains("nothing was changed: tls_cert with tls_key") })
        try apiary.curl("GET /v1/health", by: tls()).answers(200)
        let certificate = try FileSystem.read(certificates.path("next.pem"))
        try FileSystem.replace(certificates.path("server.pem"), with: certificate.span)
        apiary.signal(1)
        #expect(try Machine.waits { apiary.log.contains("certificates are read again") })
        let other = CurlReach.tls(port, "--cacert", certificates.path("other.pem"))
        try apiary.curl("GET /v1/health", by: other).answers(200)
        #expect(throws: TestDaemonError.self) { try apiary.curl("GET /v1/health", by: tls()) }
    }

    /// Asks twice over one connection, the second time when the file `go` is there.
    private static let askTwice = """
        import http.client, os, ssl, sys, time
        directory, port = sys.argv[1:]
        context = ssl.create_default_context(cafile=directory + "/ca.pem")
        context.load_cert_chain(directory + "/ci.pem", directory + "/ci.key")
        client = http.client.HTTPSConnection("localhost", int(port), context=context)
        for wanted in ["", "go"]:
            while wanted and not os.path.exists(directory + "/" + wanted): time.sleep(0.05)
            client.request("GET", "/v1/programs", headers={"Host": "127.0.0.1:" + port})
            answer = client.getresponse()
            answer.read()
            print(answer.status, flush=True)
        """

    @Test(.requires("python3"))
    func `authorities that go shut out who is connected by them`() throws {
        let said = apiary.directory + "/said"
        let client = try Machine.start(
            "python3", "-c", Self.askTwice, certificates.directory, "\(port)", log: said)
        defer { client.stop() }
        #expect(try Machine.waits { FileSystem.text(said) == "200" })
        let stream = try apiary.stream("GET /v1/events", by: tls("ci"))
        _ = try stream.next(kind: "hello")
        let other = try FileSystem.read(certificates.path("other.pem"))
        let authorities = certificates.path("clients.pem")
        try FileSystem.replace(authorities, with: other.span)
        apiary.signal(1)
        #expect(try stream.rest().lines.last?["reason"] == "token_revoked")
        try FileSystem.replace(certificates.path("go"), with: [UInt8]().span)
        #expect(try Machine.waits { FileSystem.text(said) == "200\n401" })
        try apiary.curl("GET /v1/programs", by: tls("ci")).answers(401)
        try apiary.curl("GET /v1/programs", by: tls("forged")).answers(200)
    }

    /// What a client is told: by which authorities a certificate of its own would count.
    private func authoritiesAsked() throws -> String {
        let exit = try Child.run(
            "/usr/bin/openssl",
            arguments: ["s_client", "-connect", "127.0.0.1:\(port)"], environment: [],
            deadlineMilliseconds: 20_000, outputLimit: 1 << 20)
        let lines = String(decoding: exit.output, as: UTF8.self).split(separator: "\n")
        guard let start = lines.firstIndex(of: "Acceptable client certificate CA names") else {
            return lines.contains("No client certificate CA names sent") ? "" : "none: \(lines)"
        }
        return lines[(start + 1)...].prefix { $0.hasPrefix("CN") }.joined(separator: ", ")
    }

    @Test func `SIGHUP asks clients for certificates of the authorities that came`() throws {
        #expect(try authoritiesAsked() == "CN = ca")
        let both =
            try FileSystem.read(certificates.path("ca.pem"))
            + FileSystem.read(certificates.path("other.pem"))
        try FileSystem.replace(certificates.path("clients.pem"), with: both.span)
        apiary.signal(1)
        #expect(try Machine.waits { try authoritiesAsked() == "CN = ca, CN = other" })
    }

    @Test func `client_ca that comes or goes needs no restart`() throws {
        let file = apiary.directory + "/apiary.yaml"
        let without = "certificates: {ci.example: operate}\n"
        let with = without + "client_ca: \(certificates.path("clients.pem"))\n"
        func write(_ text: String) throws {
            try FileSystem.replace(file, with: Array(text.utf8).span)
            apiary.signal(1)
        }
        apiary.stop()
        try write(without)
        apiary.arguments = ["--config", file] + Array(apiary.arguments.prefix(6))
        try apiary.start()
        try apiary.curl("GET /v1/programs", by: tls("ci")).answers(401)
        #expect(try authoritiesAsked() == "")
        try write(with)
        #expect(try Machine.waits { try authoritiesAsked() == "CN = ca" })
        try apiary.curl("GET /v1/programs", by: tls("ci")).answers(200)
        try write(without)
        #expect(try Machine.waits { try authoritiesAsked() == "" })
        try apiary.curl("GET /v1/programs", by: tls("ci")).answers(401)
    }

    @Test func `what cannot be read or does not fit keeps the daemon from starting`() throws {
        for (setting, why) in [
            ("tls_key=\(certificates.path("ci.key"))", "tls_cert with tls_key cannot be used"),
            ("tls_key=/nonexistent", "cannot be read: ENOENT"), ("tls_key=", "TLS needs"),
            ("client_ca=\(certificates.path("server.key"))", "client_ca"),
            ("client_ca=/nonexistent", "cannot be read"),
        ] {
            let other = try TestDaemon(
                arguments: apiary.arguments + ["--set", setting], isStarted: false)
            #expect(throws: TestDaemonError.self) { try other.start() }
            #expect(other.log.contains(why), "\(setting): \(other.log)")
        }
    }
}
