import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// The lines that `make test-faults` gathers: what was done, how often, what held.
enum FaultReport {
    static func line(_ fault: String, _ times: Int, _ held: String) {
        print("fault: \(fault) | \(times) | \(held)")
    }
}

/// Whether everything is to be done (`make test-faults`), or what fits into `make test`.
enum FaultRun {
    static let isLong = ProcessInfo.processInfo.environment["APIARY_FAULTS"] == "all"
}

extension TestDaemon {
    /// Starts it so that it dies at `point`, or where it does not come by there, runs.
    func start(faultAt point: String) throws {
        environment["APIARY_FAULT"] = point
        try start()
    }

    /// Starts it with a fault in its start, and waits until it is dead.
    /// - Returns: false where it came up.
    func diesStarting(at point: String) throws -> Bool {
        environment["APIARY_FAULT"] = point
        defer { environment["APIARY_FAULT"] = nil }
        do { try start() } catch { return processIdentifier == nil }
        return false
    }

    func startWithoutFault() throws {
        environment["APIARY_FAULT"] = nil
        try start()
    }

    /// A request whose answer may be cut off: its status, nil where there was none.
    func attempt(_ request: String, file: String? = nil, json: String? = nil) -> Int? {
        let words = request.split(separator: " ", maxSplits: 1).map(String.init)
        var arguments = [
            "-s", "-g", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60",
            "--unix-socket", socket, "-X", words[0],
        ]
        if let file { arguments += ["-T", Repository.object(file)] }
        if let json { arguments += ["--json", json] }
        do {
            let exit = try Child.run(
                "/usr/bin/curl", arguments: arguments + ["http://localhost" + words[1]],
                deadlineMilliseconds: 65_000, outputLimit: 64)
            let status = Int(String(decoding: exit.output, as: UTF8.self)) ?? 0
            // 100 alone: it died after it had asked for the body.
            return status < 200 ? nil : status
        } catch {
            return nil
        }
    }

    /// Waits until a daemon that was hit is gone.
    func waitsForDeath(seconds: Int = 20) throws -> Bool {
        try Machine.waits(seconds: seconds) { processIdentifier == nil }
    }

    /// What a client has registered, without the numbers that a new load gives.
    func registered() throws -> String {
        var lines: [String] = []
        for program in try curl("GET /v1/programs").answers(200)["/items"]?.array ?? [] {
            let globals = (program["globals"]?.array ?? []).map {
                "\($0["name"]?.string ?? "")=\($0["value"]?.compact ?? "")"
            }
            lines.append(
                "program \(program["name"]?.string ?? "") \(program["state"]?.string ?? "") "
                    + "\(program["digest"]?.string?.suffix(8) ?? "") "
                    + "\(program["labels"]?.compact ?? "") \(globals.sorted())")
        }
        for probe in try curl("GET /v1/probes").answers(200)["/items"]?.array ?? [] {
            lines.append(
                "probe \(probe["id"]?.string ?? "") \(probe["function"]?.string ?? "") "
                    + "\(probe["state"]?.string ?? "") \(probe["attach"]?.compact ?? "") "
                    + "\(probe["labels"]?.compact ?? "")")
        }
        return lines.joined(separator: "\n")
    }

    /// Waits until a probe is in a state.
    @discardableResult
    func waits(
        for probe: String, _ state: String, seconds: Int = 30,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Answer {
        var answer = try curl("GET /v1/probes/\(probe)")
        let isThere = try Machine.waits(seconds: seconds) {
            answer = try curl("GET /v1/probes/\(probe)")
            return answer["/state"]?.string == state
        }
        if !isThere {
            Issue.record("\(answer)\nwaited for \(state)", sourceLocation: sourceLocation)
        }
        return answer
    }

    /// Writes into the registry while no daemon runs.
    func sql(_ statements: String) throws {
        try Machine.run("sqlite3", stateDirectory + "/registry.sqlite", statements)
    }

    /// As after a reboot: no pins, and rows of another boot.
    func loseTheKernel() throws {
        try Machine.run("sh", "-c", "rm -rf \(bpffs)/[lo]*")
        let other = "00000000-0000-0000-0000-000000000000"
        try sql(
            "UPDATE programs SET boot_id='\(other)'; UPDATE probes SET boot_id='\(other)';"
                + "UPDATE intents SET boot_id='\(other)';")
    }
}

/// One change, what stands before it, and how to come back there.
struct FaultOperation: Sendable, CustomTestStringConvertible {
    let name: String
    /// Requests with the object or document that goes with each.
    let setUp: [Step]
    let change: Step
    let back: [Step]

    struct Step: Sendable {
        let request: String
        var file: String?
        var json: String?

        init(_ request: String, file: String? = nil, json: String? = nil) {
            self.request = request
            self.file = file
            self.json = json
        }
    }

    var testDescription: String { name }

    private static let hooks = Step("PUT /v1/programs/h?attach=auto", file: "hooks.bpf.o")
    private static let plain = Step("PUT /v1/programs/h", file: "hooks.bpf.o")
    private static let entry = #"{"program":"h","function":"on_entry"}"#

    /// In the order of a program's life.
    static let all: [FaultOperation] = [
        FaultOperation(
            name: "load", setUp: [], change: hooks, back: [Step("DELETE /v1/programs/h")]),
        FaultOperation(
            name: "replace", setUp: [hooks],
            change: Step(
                "PUT /v1/programs/h?attach=auto&label=n=2&global=number=5", file: "hooks.bpf.o"),
            back: [hooks]),
        FaultOperation(
            name: "unload", setUp: [hooks], change: Step("DELETE /v1/programs/h"), back: [hooks]),
        FaultOperation(
            name: "attach", setUp: [plain], change: Step("PUT /v1/probes/p", json: entry),
            back: [Step("DELETE /v1/probes/p")]),
        FaultOperation(
            name: "detach", setUp: [plain, Step("PUT /v1/probes/p", json: entry)],
            change: Step("DELETE /v1/probes/p"), back: [Step("PUT /v1/probes/p", json: entry)]),
        FaultOperation(
            name: "detach all", setUp: [hooks], change: Step("DELETE /v1/probes?program=h"),
            back: [hooks]),
        FaultOperation(
            name: "move a probe", setUp: [plain, Step("PUT /v1/probes/p", json: entry)],
            change: Step(
                "PUT /v1/probes/p", json: #"{"program":"h","function":"on_tracepoint"}"#),
            back: [Step("PUT /v1/probes/p", json: entry)]),
        FaultOperation(
            name: "disable", setUp: [plain, Step("PUT /v1/probes/p", json: entry)],
            change: Step("PATCH /v1/probes/p", json: #"{"enabled":false}"#),
            back: [Step("PATCH /v1/probes/p", json: #"{"enabled":true}"#)]),
        FaultOperation(
            name: "enable",
            setUp: [
                plain, Step("PUT /v1/probes/p", json: entry),
                Step("PATCH /v1/probes/p", json: #"{"enabled":false}"#),
            ], change: Step("PATCH /v1/probes/p", json: #"{"enabled":true}"#),
            back: [Step("PATCH /v1/probes/p", json: #"{"enabled":false}"#)]),
        FaultOperation(
            name: "label", setUp: [hooks],
            change: Step("PATCH /v1/programs/h", json: #"{"labels":{"a":"b"}}"#),
            back: [Step("PATCH /v1/programs/h", json: #"{"labels":{"a":null}}"#)]),
        FaultOperation(
            name: "global", setUp: [Step("PUT /v1/programs/g", file: "globals.bpf.o")],
            change: Step("PATCH /v1/programs/g/globals", json: #"{"threshold":77,"count":5}"#),
            back: [Step("PATCH /v1/programs/g/globals", json: #"{"threshold":100,"count":0}"#)]),
    ]
}
