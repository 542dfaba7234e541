import Foundation
import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// `/v1/events` read by a real browser's EventSource, in a page of another origin. Where there is no
/// Chromium these tests are skipped: `apt install chromium`.
@Suite(.requiresRoot, .needs(.tracepoint), .enabled(if: Browser.isThere), .serialized)
struct BrowserTests {
    private static let events = "program=e&fields=number"

    @Test func `EventSource goes on by itself where it was, over kill -9 and a restart`() throws {
        let rig = try Rig(["--unprotected"])
        let browser = try rig.browser("source(base + '/v1/events?\(Self.events)')")
        try rig.produceAcrossEnds(browser)
        // It asked each time with the id of its last event, not from the start or from now.
        let hellos = try browser.reports().filter { $0["kind"] == "hello" }
        #expect(hellos.count == 3)
    }

    @Test func `a page with a ticket takes another one and goes on after its last event`() throws {
        let rig = try Rig([])
        let token = try rig.apiary.curl(
            "POST /v1/tokens", json: #"{"name":"page","role":"read","programs":["e"]}"#
        ).answers(201)["/token"]?.string
        let browser = try rig.browser(
            """
            const token = '\(token ?? "")';
            async function follow(since) {
                try {
                    const answer = await fetch(base + '/v1/stream_tickets', {
                        method: 'POST', body: '{"path":"/v1/events"}',
                        headers: {'Content-Type': 'application/json',
                                  Authorization: 'Bearer ' + token}});
                    const ticket = (await answer.json()).ticket;
                    const events = source(base + '/v1/events?\(Self.events)&ticket=' + ticket
                        + '&since=' + since);
                    events.onerror = () => {
                        events.close();
                        setTimeout(follow, 300, last || since);
                    };
                } catch (error) { setTimeout(follow, 300, since); }
            }
            follow('now');
            """)
        try rig.produceAcrossEnds(browser)
    }

    @Test func `a page of a site that is not listed gets nothing`() throws {
        let rig = try Rig(["--unprotected"], origin: "http://other.example")
        let browser = try rig.browser(
            """
            const events = source(base + '/v1/events?\(Self.events)');
            events.onerror = () => report({kind: 'error', state: events.readyState});
            """)
        try browser.waits { $0.contains { $0["kind"] == "error" } }
        // 2: closed, it does not try again.
        #expect(try browser.reports() == [["kind": "error", "state": 2]])
    }
}

/// A daemon with a TCP port, a program that numbers its records, and a place for pages.
private final class Rig {
    let apiary: TestDaemon
    private let other: Workload
    private let port: Int
    private let pagePort: Int

    /// - Parameter origin: the one that may read; the page's own where nothing is said.
    init(_ arguments: [String], origin: String? = nil) throws {
        (port, pagePort) = (try TestDaemon.freePort(), try TestDaemon.freePort())
        let origins = origin ?? "http://127.0.0.1:\(pagePort)"
        apiary = try TestDaemon(
            arguments: arguments + [
                "--listen", "127.0.0.1:\(port)", "--set", "cors_origins=\(origins)",
            ])
        other = try Workload()
        try apiary.load("e", "events.bpf.o", watching: other.processIdentifier)
    }

    func browser(_ script: String) throws -> Browser {
        try Browser(
            apiary.directory + "/page", port: pagePort,
            "const base = 'http://127.0.0.1:\(port)';\n" + script)
    }

    /// Records while the page is there, while the daemon is not, and after its return, by a kill and
    /// by an orderly stop: the page has each of them once, in order.
    func produceAcrossEnds(_ browser: Browser) throws {
        try browser.waits { $0.contains { $0["kind"] == "hello" } }
        var count = 0
        func produce(_ calls: Int) throws {
            try other.getpgid(calls)
            count += calls
        }
        func seeAll() throws {
            try browser.waits { $0.count { $0["kind"] == "event" } >= count }
        }
        try produce(20)
        try seeAll()
        apiary.kill9()
        try produce(15)
        try apiary.start()
        try produce(5)
        try seeAll()
        apiary.stop()
        try produce(10)
        try apiary.start()
        try seeAll()
        let numbers = try browser.reports().compactMap { $0["number"]?.int }
        #expect(numbers == Array(1...count))
    }
}

/// A headless Chromium on one page, which reports what it sees to the page's own server.
private final class Browser {
    static let isThere: Bool = {
        let isThere = FileSystem.exists(path) && FileSystem.exists("/usr/bin/python3")
        if !isThere { print("skipped: no \(path) and python3 to try a browser with") }
        return isThere
    }()
    private static let path = "/usr/bin/chromium"

    private let server = Process()
    private let browser = Process()
    private let directory: String

    init(_ directory: String, port: Int, _ script: String) throws {
        self.directory = directory
        try FileSystem.makeDirectory(directory)
        try write("/index.html", "<!doctype html><script>\n\(Self.common)\n\(script)\n</script>")
        try write("/server.py", Self.server)
        server.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        server.arguments = [directory + "/server.py", "\(port)", directory]
        try runWithDefaultSignals(server)
        guard try Machine.waits(until: { FileSystem.exists(directory + "/serves") }) else {
            throw Machine.Failure(description: "the page's server does not start")
        }
        browser.executableURL = URL(fileURLWithPath: Self.path)
        browser.arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-background-networking",
            "--user-data-dir=\(directory)/profile", "http://127.0.0.1:\(port)/",
        ]
        let log = try appending(directory + "/browser.log")
        browser.standardError = log
        browser.standardOutput = log
        try runWithDefaultSignals(browser)
    }

    deinit {
        for process in [browser, server] where process.isRunning {
            process.terminate()
            process.waitUntilExit()
        }
    }

    func reports() throws -> [JSONValue] {
        try (FileSystem.text(directory + "/seen") ?? "").split(separator: "\n")
            .map { try JSONValue.parse(String($0)) }
    }

    func waits(until isTrue: ([JSONValue]) -> Bool) throws {
        guard try Machine.waits(seconds: 90, until: { isTrue(try reports()) }) else {
            let seen = try reports().suffix(5).map(\.compact)
            let log = FileSystem.text(directory + "/browser.log") ?? ""
            throw Machine.Failure(description: "the page saw \(seen)\n\(log.suffix(2000))")
        }
    }

    private func write(_ name: String, _ text: String) throws {
        try FileSystem.replace(directory + name, with: Array(text.utf8).span)
    }

    private func appending(_ path: String) throws -> FileHandle {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw Machine.Failure(description: "\(path) cannot be written") }
        return file
    }

    /// Reports one after the other, so that their order is the page's.
    private static let common = """
        let last = null, sent = Promise.resolve();
        function report(line) {
            sent = sent.then(() => fetch('/seen', {method: 'POST', body: JSON.stringify(line)}));
        }
        function source(url) {
            const events = new EventSource(url);
            for (const kind of ['hello', 'event', 'gap', 'heartbeat', 'end'])
                events.addEventListener(kind, (event) => {
                    last = event.lastEventId;
                    const line = JSON.parse(event.data);
                    if (line.kind !== kind || line.cursor !== last) report({kind: 'odd', line});
                    report({kind, number: line.data && line.data.number});
                });
            return events;
        }
        """

    private static let server = """
        import http.server, sys
        port, directory = int(sys.argv[1]), sys.argv[2]
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                page = open(directory + "/index.html", "rb").read()
                if self.path != "/":
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
            def do_POST(self):
                line = self.rfile.read(int(self.headers["Content-Length"]))
                with open(directory + "/seen", "ab") as file:
                    file.write(line + b"\\n")
                self.send_response(204)
                self.end_headers()
            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        open(directory + "/serves", "w").close()
        server.serve_forever()
        """
}
