import JSON
import TestSupport
import Testing

/// A function as the kernel holds it: its code, its counters, a run of it on data of the client's.
@Suite(.requiresRoot) struct FunctionTests {
    private let apiary: TestDaemon

    init() throws {
        apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/runs", file: "runs.bpf.o").answers(201)
    }

    private func run(_ function: String, _ json: String) throws -> Answer {
        try apiary.curl("POST /v1/programs/runs/functions/\(function)/test_run", json: json)
    }

    private let packet = String(repeating: "00", count: 64)

    @Test func `xlated is what bpftool dumps, instruction by instruction`() throws {
        try apiary.curl("PUT /v1/programs/multi", file: "multi.bpf.o").answers(201)
        try apiary.curl("PUT /v1/programs/execsnoop", file: "execsnoop.bpf.o").answers(201)
        var count = 0
        for program in ["runs", "multi", "execsnoop"] {
            let functions = try apiary.curl("GET /v1/programs/\(program)").answers(200)
            for function in functions["/functions"]?.array ?? [] {
                let (name, id) = (function["name"]?.string ?? "", function["kernel_id"]?.int ?? 0)
                let ours = try apiary.curl("GET /v1/programs/\(program)/functions/\(name)/xlated")
                #expect(ours.status == 200)
                let theirs = try Machine.run("bpftool", "prog", "dump", "xlated", "id", "\(id)")
                let lines = Self.instructions(ours.text)
                #expect(lines == Self.instructions(theirs), "\(program).\(name)")
                count += lines.count
                // The lines of C and the names of the functions are there as well.
                #expect(ours.text.hasPrefix(name + ":\n; "), "\(ours.text.prefix(80))")
            }
        }
        #expect(count > 500)
    }

    @Test func `jited is the machine code, with its addresses`() throws {
        let function = try apiary.curl("GET /v1/programs/runs/functions/mark_frame").answers(200)
        let code = try apiary.curl("GET /v1/programs/runs/functions/mark_frame/jited")
        guard function["/jited_size_bytes"] != 0 else {
            code.answers(501, problem: .hostLacks)
            return
        }
        code.answers(200)
        let lines = code.text.split(separator: "\n")
        #expect(lines.first?.hasPrefix("mark_frame: ") == true)
        // Its subprogram follows it.
        #expect(lines.contains { $0.hasPrefix("verdict: ") })
        let bytes = lines.filter { $0.hasPrefix("0xffff") }.map {
            $0.split(separator: " ").count - 1
        }
        #expect(bytes.reduce(0, +) == function["/jited_size_bytes"]?.int)
    }

    @Test func `code of what is not there is not found`() throws {
        for path in ["xlated", "jited"] {
            let near = try apiary.curl("GET /v1/programs/runs/functions/mark_fram/\(path)")
                .answers(404, problem: .notFound)
            #expect(near["/hint"]?.string?.contains("mark_frame") == true)
            try apiary.curl("GET /v1/programs/walks/functions/x/\(path)")
                .answers(404, problem: .notFound)
        }
        try run("nothing", "{}").answers(404, problem: .notFound)
    }

    @Test func `a packet program runs on data and a context`() throws {
        try run("mark_frame", #"{"data":{"hex":"\#(packet)"}}"#).answers(
            200, #"{"return_value":2,"data":{"hex":"aa\#(packet.dropFirst(2))"},"context":null}"#)
        try run(
            "mark_frame",
            #"{"data":{"hex":"\#(packet)"},"context":{"ingress_ifindex":1},"repeat":100}"#
        ).answers(200, #"{"return_value":2,"context":{"ingress_ifindex":1,"data_end":64}}"#)
        try run("raise_mark", #"{"data":{"hex":"\#(packet)"},"context":{"mark":41}}"#)
            .answers(200, #"{"return_value":64,"context":{"mark":42}}"#)
        let base64 = String(repeating: "A", count: 24)
        let answer = try run("raise_mark", #"{"data":{"base64":"\#(base64)"}}"#).answers(
            200, #"{"return_value":18,"data":{"base64":"\#(base64)"}}"#)
        #expect((answer["/duration_ns"]?.int ?? -1) >= 0)
    }

    @Test func `a program without packets runs on its context`() throws {
        try run("add", #"{"context":{"left":40,"right":2,"name":"xy"}}"#).answers(
            200,
            #"""
            {"return_value":7,"duration_ns":null,"data":null,
             "context":{"left":40,"right":2,"sum":42,"name":"xy"}}
            """#)
        try run(
            "add", #"{"context":{"hex":"0100000002000000\#(String(repeating: "00", count: 16))"}}"#
        ).answers(200, #"{"context":{"left":1,"sum":3}}"#)
        try run("second_argument", #"{"context":[1,42]}"#).answers(200, #"{"return_value":42}"#)
        try run("second_argument", #"{"context":[1,42],"flags":["run_on_cpu"],"cpu":0}"#)
            .answers(200, #"{"return_value":42}"#)
        let lookup = #""family":2,"protocol":6,"remote_ip4":1,"local_ip4":1,"remote_port":1"#
        try run("port_80", #"{"context":{\#(lookup),"local_port":80}}"#)
            .answers(200, #"{"return_value":1}"#)
        try run("port_80", #"{"context":{\#(lookup),"local_port":81}}"#)
            .answers(200, #"{"return_value":0}"#)
    }

    @Test func `what does not fit the type is refused and pointed at`() throws {
        let data = #""data":{"hex":"\#(packet)"}"#
        let refused: [(function: String, json: String, code: String, pointer: String)] = [
            ("mark_frame", "{}", "invalid_value", "/data"),
            ("mark_frame", #"{"data":{"hex":"00"}}"#, "invalid_value", "/data"),
            ("mark_frame", #"{"data":{"hex":"0"}}"#, "invalid_member", "/data/hex"),
            ("mark_frame", #"{"data":{"base64":"?"}}"#, "invalid_member", "/data/base64"),
            ("mark_frame", #"{"data":{}}"#, "invalid_member", "/data"),
            ("mark_frame", #"{"data":{"octets":""}}"#, "unknown_member", "/data/octets"),
            (
                "mark_frame", "{\(data),\"context\":{\"interface\":1}}", "invalid_value",
                "/context/interface"
            ),
            ("mark_frame", "{\(data),\"repeat\":0}", "invalid_member", "/repeat"),
            ("mark_frame", "{\(data),\"repeat\":1000001}", "invalid_member", "/repeat"),
            ("mark_frame", "{\(data),\"flags\":[\"fast\"]}", "invalid_value", "/flags/0"),
            ("mark_frame", "{\(data),\"cpu\":1}", "invalid_value", "/cpu"),
            ("mark_frame", "{\(data),\"batch_size\":1}", "invalid_value", "/batch_size"),
            ("mark_frame", "{\(data),\"times\":1}", "unknown_member", "/times"),
            ("add", "{\(data)}", "invalid_value", "/data"),
            ("add", #"{"context":{"left":-1}}"#, "invalid_value", "/context/left"),
            ("add", #"{"context":{"left":1},"repeat":2}"#, "invalid_value", "/repeat"),
            ("second_argument", #"{"context":[1,"x"]}"#, "invalid_value", "/context/1"),
            ("second_argument", #"{"context":{"a":1}}"#, "invalid_value", "/context"),
            (
                "second_argument", #"{"context":[1,2],"flags":["run_on_cpu"],"cpu":65535}"#,
                "invalid_value", "/cpu"
            ),
            ("port_80", "{}", "invalid_value", "/context"),
        ]
        for (function, json, code, pointer) in refused {
            let status = code == "invalid_value" ? 422 : 400
            try run(function, json)
                .answers(status, #"{"code":"\#(code)","pointer":"\#(pointer)"}"#)
        }
        let never = try run("never", "{}").answers(422, problem: .wrongKind)
        #expect(never["/detail"]?.string?.contains("tracepoint") == true)
        try run("second_argument", "{}").answers(422, problem: .invalidValue)
        try run("mark_frame", "[]").answers(400, problem: .malformedJSON)
    }

    @Test(.needs(.tracepoint)) func `runs are counted while somebody measures`() throws {
        try apiary.curl("PUT /v1/programs/hooks?attach=auto", file: "hooks_next.bpf.o")
            .answers(201)
        let path = "GET /v1/programs/hooks/functions/on_tracepoint"
        try apiary.curl(path + "?measure_ms=0").answers(400, problem: .invalidParameter)
        try apiary.curl(path + "?measure_ms=10001").answers(400, problem: .invalidParameter)
        let quiet = try apiary.curl(path).answers(200)
        #expect(quiet["/measured"] == nil)
        let measured = try apiary.curl(path + "?measure_ms=300").answers(200)
        #expect((measured["/measured/duration_ns"]?.uint64 ?? 0) >= 300_000_000)
        #expect(measured["/measured/run_count"]?.uint64 != nil)
        // Nobody measures any more: the kernel has stopped counting for us.
        #expect(try Machine.run("cat", "/proc/sys/kernel/bpf_stats_enabled").hasPrefix("0"))
    }

    @Test(.needs(.tracepoint)) func `run_stats counts always, and what ran is told`() throws {
        let counting = try TestDaemon(arguments: ["--set", "run_stats=true"])
        let other = try Workload()
        try counting.load("x", "hooks_next.bpf.o", watching: other.processIdentifier)
        try other.getpgid(5)
        let function = try counting.curl("GET /v1/programs/x/functions/on_tracepoint").answers(200)
        #expect((function["/statistics/run_count"]?.uint64 ?? 0) >= 5)
        #expect((function["/statistics/run_time_ns"]?.uint64 ?? 0) > 0)
        #expect((function["/verified_instructions"]?.int ?? 0) > 0)
    }

    private static func instructions(_ text: String) -> [Substring] {
        text.split(separator: "\n").filter { line in
            line.split(separator: ":", maxSplits: 1).first.map {
                Int($0.drop { $0 == " " }) != nil
            } ?? false
        }
    }
}
