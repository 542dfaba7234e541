import JSON
import TestSupport
import Testing

/// Each way to name a place wrongly, in one table: the status, the code, the member, and what helps.
@Suite(.requiresRoot) struct BadAttachTests {
    struct Row: Sendable, CustomStringConvertible {
        let what: String
        let function: String
        let attach: String
        let status: Int
        let code: String
        let pointer: String?
        /// A part of `hint`, else of `detail`.
        let helps: String

        init(
            _ what: String, _ function: String, _ attach: String, _ status: Int, _ code: String,
            _ pointer: String?, helps: String
        ) {
            self.what = what
            self.function = function
            self.attach = attach
            self.status = status
            self.code = code
            self.pointer = pointer
            self.helps = helps
        }

        var description: String { what }
    }

    private static let libc = ProbeKindTests.libc
    private static let target = Repository.object("usdt_target")

    static let rows: [Row] = [
        Row(
            "an unknown kind", "on_tracepoint", #""kind":"tracepint""#, 400, "invalid_member",
            "/attach/kind", helps: "tracepoint"),
        Row(
            "a kind that is no text", "on_tracepoint", #""kind":7"#, 400, "invalid_member",
            "/attach/kind", helps: "must be a string"),
        Row(
            "a wrong kind", "on_raw", #""kind":"xdp","interface":"lo""#, 422, "wrong_kind",
            "/attach/kind", helps: "raw_tracepoint can be"),
        Row(
            "an unknown member", "on_raw", #""kind":"raw_tracepoint","nam":"sys_enter""#, 400,
            "unknown_member", "/attach/nam", helps: "name"),
        Row(
            "a member that is missing", "on_tc", #""kind":"tcx","interface":"lo""#, 400,
            "invalid_member", "/attach", helps: "direction"),
        Row(
            "another target than the load fixed", "on_typed",
            #""kind":"tp_btf","target":"sched_switch""#, 422, "wrong_kind", "/attach/target",
            helps: "functions.targets"),
        Row(
            "an unknown tracepoint", "on_tracepoint",
            #""kind":"tracepoint","category":"syscalls","name":"sys_enter_getpgidd""#, 422,
            "target_not_found", "/attach/name", helps: "sys_enter_getpgid"),
        Row(
            "an unknown category", "on_tracepoint",
            #""kind":"tracepoint","category":"syscals","name":"sys_enter_getpgid""#, 422,
            "target_not_found", "/attach/category", helps: "syscalls"),
        Row(
            "an unknown raw tracepoint", "on_raw",
            #""kind":"raw_tracepoint","name":"sched_swtch""#, 422, "target_not_found",
            "/attach/name", helps: "sched_switch"),
        Row(
            "an unknown symbol", "on_kprobe",
            #""kind":"uprobe","binary":"\#(libc)","symbol":"getppidd""#, 422,
            "target_not_found", "/attach/symbol", helps: "getppid"),
        Row(
            "an unknown binary", "on_kprobe",
            #""kind":"uprobe","binary":"\#(libc)x","symbol":"getppid""#, 422,
            "target_not_found", "/attach/binary", helps: "libc.so.6"),
        Row(
            "a binary without a directory", "on_kprobe",
            #""kind":"uprobe","binary":"libc.so.6","symbol":"getppid""#, 400,
            "invalid_member", "/attach/binary", helps: "absolute"),
        Row(
            "an unknown process", "on_kprobe",
            #""kind":"uprobe","binary":"\#(libc)","symbol":"getppid","pid":4194305"#, 422,
            "target_not_found", "/attach/pid", helps: "4194305"),
        Row(
            "an unknown usdt", "on_uprobes",
            #""kind":"usdt","binary":"\#(target)","provider":"apiary_test","name":"marc""#, 422,
            "target_not_found", "/attach/name", helps: "mark"),
        Row(
            "an unknown interface", "on_xdp", #""kind":"xdp","interface":"loo""#, 422,
            "target_not_found", "/attach/interface", helps: "lo"),
        Row(
            "an unknown interface, without the kind", "on_xdp", #""interface":"loo""#, 422,
            "target_not_found", "/attach/interface", helps: "lo"),
        Row(
            "an unknown namespace", "on_lookup", #""kind":"sk_lookup","netns":"nothere""#, 422,
            "target_not_found", "/attach/netns", helps: "nothere"),
        Row(
            "an unknown cgroup", "on_cgroup", #""kind":"cgroup","path":"/sys/fs/cgroup/nothere""#,
            422, "target_not_found", "/attach/path", helps: "nothere"),
        Row(
            "a cgroup that is none", "on_cgroup", #""kind":"cgroup","path":"/etc""#, 422,
            "attach_refused", "/attach/path", helps: "version 2 cgroup"),
        Row(
            "an unknown map", "on_message", #""kind":"sk_msg","map":"sockts""#, 422,
            "target_not_found", "/attach/map", helps: "sockets"),
        Row(
            "an unknown event", "on_clock",
            #""kind":"perf_event","event":"cpu-clok","frequency":9"#,
            400, "invalid_member", "/attach/event", helps: "cpu-clock"),
        Row(
            "a neighbour that is not there", "on_tc",
            #""kind":"tcx","interface":"lo","direction":"ingress","before":"nobody""#, 422,
            "target_not_found", "/attach/before", helps: "nobody"),
    ]

    private static let functions = [
        "on_tracepoint", "on_raw", "on_typed", "on_tc", "on_kprobe", "on_xdp", "on_lookup",
        "on_cgroup", "on_message", "on_clock", "on_uprobes",
    ]

    /// One daemon for all rows: a refusal leaves nothing.
    @Test(.needs("tcx"), .needs("uprobe_multi"))
    func `a place that is named wrongly is refused with what to change`() throws {
        let apiary = try TestDaemon()
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "kinds.bpf.o").answers(201)
        let only = Self.functions.map { "\"\($0)\"" }.joined(separator: ",")
        try apiary.curl(
            "PUT /v1/programs/k",
            json: """
                {"object":{"digest":"\(kept["/digest"]?.string ?? "")"},
                 "functions":{"only":[\(only)]}}
                """
        ).answers(201)
        let pins = try apiary.pins
        for row in Self.rows {
            let answer = try apiary.curl(
                "PUT /v1/probes/p",
                json: #"{"program":"k","function":"\#(row.function)","attach":{\#(row.attach)}}"#)
            #expect(answer.status == row.status, "\(row): \(answer)")
            #expect(answer["/code"]?.string == row.code, "\(row): \(answer)")
            #expect(answer["/pointer"]?.string == row.pointer, "\(row): \(answer)")
            let help = (answer["/detail"]?.string ?? "") + (answer["/hint"]?.string ?? "")
            #expect(help.contains(row.helps), "\(row): \(answer)")
        }
        try apiary.curl("GET /v1/probes").answers(200, #"{"items":[]}"#)
        #expect(try apiary.pins == pins)
    }

    @Test(.needs("xdp")) func `without a kind it is the section's, with that kind's members`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp", "on_xdp_too", "on_tc")
        let place = #""interface":"v1","netns":"\#(network.name)""#
        let first = try rig.attach("on_xdp", place, id: "x")
            .answers(201, #"{"state":"attached","attach":{"kind":"xdp",\#(place)}}"#)
        // The same with its kind is no change.
        try rig.attach("on_xdp", #""kind":"xdp",\#(place)"#, id: "x")
            .answers(200, #"{"changed":false}"#)
        let busy = try rig.attach("on_xdp_too", place)
            .answers(409, #"{"code":"attach_busy","holder_probe":"x"}"#)
        #expect(busy["/holder_id"]?.int == first["/link/kernel_id"]?.int)
        try rig.attach("on_xdp", #""interface":"v1","direction":"ingress""#)
            .answers(400, #"{"code":"unknown_member","pointer":"/attach/direction"}"#)
        try network.send(2)
        #expect(try rig.count(0) == 2)
    }

    @Test(.needs("tcx")) func `what the section says beside the kind need not be said again`()
        throws
    {
        let network = try NetworkRig()
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/s", file: "slots.bpf.o").answers(201)
        let place = #""interface":"v1","netns":"\#(network.name)""#
        for (kind, direction) in [("", "ingress"), (#""kind":"tcx","#, "ingress")] {
            let attach = "{\(kind)\(place)}"
            try apiary.curl(
                "PUT /v1/probes/t",
                json: #"{"program":"s","function":"of_another_type","attach":\#(attach)}"#
            ).answers(
                kind.isEmpty ? 201 : 200,
                #"{"state":"attached","attach":{"kind":"tcx","direction":"\#(direction)"}}"#)
        }
        // What the document says goes before what the section says.
        try apiary.curl(
            "PUT /v1/probes/t",
            json: """
                {"program":"s","function":"of_another_type",
                 "attach":{"direction":"egress",\(place)}}
                """
        ).answers(200, #"{"changed":true,"attach":{"direction":"egress"}}"#)
    }
}
