import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Each kind once on the kernel that is there: attached by the API, made to run, seen to count,
/// detached. What comes of it is printed as `matrix: KIND | RESULT`; scripts/test-kernels.sh holds
/// the rows of its guests against docs/kernels.md.
@Suite(.requiresRoot) struct KernelMatrixTests {
    /// A kind, its function of `kinds.bpf.c`, and what makes that run.
    struct Trial {
        enum Cause { case systemCall, library, packet, clock, connection, none }

        let kind: String
        let function: String
        let slot: Int
        let members: String
        let cause: Cause
        var target: String?
        /// What is run in the network namespace first.
        var preparation: String?
    }

    private static let libc = ProbeKindTests.libc
    #if arch(arm64)
        private static let call = "__arm64_sys_getpgid"
    #else
        private static let call = "__x64_sys_getpgid"
    #endif

    private static func trials(_ network: String, cgroup: String) -> [Trial] {
        let symbol = #""symbol":"\#(call)""#
        let file = #""binary":"\#(libc)","symbol":"getppid""#
        let space = #""netns":"\#(network)""#
        let interface = #""interface":"v1",\#(space)"#
        let hook = #""family":"ipv4","hook":"output","priority":5,\#(space)"#
        func trial(
            _ kind: String, _ function: String, _ slot: Int, _ members: String,
            _ cause: Trial.Cause, target: String? = nil, preparation: String? = nil
        ) -> Trial {
            Trial(
                kind: kind, function: function, slot: slot, members: members, cause: cause,
                target: target, preparation: preparation)
        }
        return [
            trial("kprobe", "on_kprobe", 6, symbol, .systemCall),
            trial("kretprobe", "on_kprobe", 6, symbol, .systemCall),
            trial("kprobe_multi", "on_kprobes", 7, #""symbols":["\#(call)"]"#, .systemCall),
            trial("ksyscall", "on_kprobe", 6, #""syscall":"getpgid""#, .systemCall),
            trial("kretsyscall", "on_kprobe", 6, #""syscall":"getpgid""#, .systemCall),
            trial("uprobe", "on_kprobe", 6, file, .library),
            trial("uretprobe", "on_kprobe", 6, file, .library),
            trial(
                "uprobe_multi", "on_uprobes", 8, #""binary":"\#(libc)","symbols":["getppid"]"#,
                .library),
            trial(
                "tracepoint", "on_tracepoint", 14,
                #""category":"syscalls","name":"sys_enter_getpgid""#, .systemCall),
            trial("raw_tracepoint", "on_raw", 15, #""name":"sys_enter""#, .systemCall),
            trial("tp_btf", "on_typed", 11, "", .systemCall),
            trial("fentry", "on_fentry", 10, "", .systemCall, target: call),
            trial("fexit", "on_fexit", 11, "", .systemCall, target: call),
            trial("fmod_ret", "on_modify", 12, "", .systemCall, target: "security_task_getpgid"),
            trial("lsm", "on_lsm", 13, "", .systemCall, target: "task_getpgid"),
            trial("perf_event", "on_clock", 5, #""event":"cpu-clock","frequency":99"#, .clock),
            trial("xdp", "on_xdp", 0, interface + #","mode":"generic""#, .packet),
            trial("tcx", "on_tc", 2, interface + #","direction":"ingress""#, .packet),
            trial("tc", "on_tc", 2, interface + #","direction":"ingress""#, .packet),
            trial("cgroup", "on_cgroup", 3, #""path":"\#(cgroup)""#, .packet),
            trial("sk_lookup", "on_lookup", 4, space, .connection),
            trial("flow_dissector", "on_dissect", 16, space, .none),
            trial("sk_skb", "on_stream", 16, #""map":"sockets""#, .none),
            trial("sk_msg", "on_message", 16, #""map":"sockets""#, .none),
            trial("netfilter", "on_packet", 9, hook, .packet),
        ]
    }

    @Test func `each kind runs, counts and goes, or is refused with the kernel's reason`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp")
        print("matrix: usdt | \(try userStatic(rig.apiary))")
        print("matrix: iter | \(try iterator(rig.apiary))")
        print("matrix: freplace | \(try replacement(rig.apiary, network))")
        print("matrix: struct_ops | \(try structOps(rig.apiary))")
        let other = try Workload()
        for trial in Self.trials(network.name, cgroup: CgroupTests.mount ?? "/sys/fs/cgroup") {
            print("matrix: \(trial.kind) | \(try run(trial, rig, network, other))")
        }
    }

    /// Before 5.15 the kernel has no link for perf events, which go with the daemon: it attaches
    /// them again.
    @Test func `a probe that is not pinned counts again after a kill and a start`() throws {
        let rig = try KindsRig("on_kprobe", "on_tracepoint", "on_clock", "on_raw")
        let other = try Workload()
        let probes: [(id: String, slot: Int, function: String, attach: String)] = [
            (
                "uprobe", 6, "on_kprobe",
                #""kind":"uprobe","binary":"\#(Self.libc)","symbol":"getppid""#
            ),
            ("tracepoint", 14, "on_tracepoint", ""),
            ("clock", 5, "on_clock", #""kind":"perf_event","event":"cpu-clock","frequency":99"#),
            ("raw", 15, "on_raw", ""),
        ]
        var isPinned: [String: Bool] = [:]
        for probe in probes {
            let answer = try rig.attach(probe.function, probe.attach, id: probe.id).answers(201)
            isPinned[probe.id] = answer["/link/pinned"]?.bool
        }
        for turn in 1...2 {
            rig.apiary.kill9()
            try rig.apiary.start()
            for probe in probes {
                try rig.apiary.curl("GET /v1/probes/\(probe.id)").answers(
                    200, #"{"state":"attached","link":{"pinned":\#(isPinned[probe.id] == true)}}"#)
                let before = try rig.count(probe.slot) ?? 0
                try other.getppid(3)
                try other.getpgid(3)
                #expect(
                    try Machine.waits { try rig.count(probe.slot) ?? 0 > before },
                    "\(probe.id) counts after start \(turn)")
            }
        }
        for probe in probes {
            try rig.apiary.curl("DELETE /v1/probes/\(probe.id)").answers(204)
            guard probe.id != "clock" else { continue }
            let before = try rig.count(probe.slot)
            try other.getppid(3)
            try other.getpgid(3)
            #expect(try rig.count(probe.slot) == before, "\(probe.id) is detached")
        }
        let pinned = isPinned.filter(\.value).keys.sorted().joined(separator: ", ")
        print("restart: all attached again; pinned: \(pinned)")
    }

    private func run(_ trial: Trial, _ rig: KindsRig, _ network: NetworkRig, _ other: Workload)
        throws -> String
    {
        if let preparation = trial.preparation { try network.inside(preparation) }
        let load = try rig.load(
            [trial.function], targets: trial.target.map { [trial.function: $0] })
        guard load.status < 300 else { return refusal(load, trial.kind) }
        let members = trial.members.isEmpty ? "" : "," + trial.members
        let answer = try rig.attach(trial.function, #""kind":"\#(trial.kind)"\#(members)"#, id: "p")
        defer {
            // What is attached goes before the next kind comes, also where counting failed.
            do { try rig.apiary.curl("DELETE /v1/programs/k").answers(204) } catch {
                Issue.record(error)
            }
        }
        guard answer.status == 201 else { return refusal(answer, trial.kind) }
        answer.answers(201, #"{"state":"attached"}"#)
        try cause(trial.cause, network, other)
        if trial.slot < 16 {
            #expect(
                try Machine.waits { try rig.count(trial.slot) ?? 0 > 0 }, "\(trial.kind) counts")
        }
        try rig.apiary.curl("DELETE /v1/probes/p").answers(204)
        if trial.slot < 16, trial.cause != .clock {
            let before = try rig.count(trial.slot)
            try cause(trial.cause, network, other)
            #expect(try rig.count(trial.slot) == before, "\(trial.kind) is detached")
        }
        return Self.works(answer)
    }

    private static func works(_ answer: Answer) -> String {
        if answer["/link/pinned"]?.bool == false { return "works, not pinned" }
        return answer["/link/kernel_id"]?.int == nil ? "works, without a link" : "works"
    }

    private func userStatic(_ apiary: TestDaemon) throws -> String {
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        let target = Repository.object("usdt_target") + ".fixed"
        let answer = try apiary.curl(
            "PUT /v1/probes/u",
            json: """
                {"program":"u","function":"on_mark","attach":{"kind":"usdt",
                 "binary":"\(target)","provider":"apiary_test","name":"mark"}}
                """)
        guard answer.status == 201 else { return refusal(answer, "usdt") }
        try Machine.run("bash", "-c", "echo x | \(target)")
        #expect(try apiary.global("u", "third")?.int == -7)
        try apiary.curl("DELETE /v1/programs/u").answers(204)
        return Self.works(answer)
    }

    private func iterator(_ apiary: TestDaemon) throws -> String {
        let load = try apiary.curl("PUT /v1/programs/i", file: "iterators.bpf.o")
        guard load.status == 201 else { return refusal(load, "iter") }
        let answer = try apiary.curl(
            "POST /v1/probes", json: #"{"program":"i","function":"each_map"}"#)
        guard answer.status == 201 else { return refusal(answer, "iter") }
        let output = try apiary.curl("GET /v1/probes/i.each_map/output").answers(200)
        #expect(output.text.hasPrefix("map 0\n"))
        try apiary.curl("DELETE /v1/programs/i").answers(204)
        return "works"
    }

    private func replacement(_ apiary: TestDaemon, _ network: NetworkRig) throws -> String {
        let kept = try apiary.curl("PUT /v1/programs/r", file: "replacement.bpf.o").answers(201)
        let digest = kept["/digest"]?.string ?? ""
        func load(_ name: String, _ functions: String) throws -> Answer {
            try apiary.curl(
                "PUT /v1/programs/\(name)",
                json: #"{"object":{"digest":"\#(digest)"},"functions":\#(functions)}"#)
        }
        try load("target", #"{"only":["on_packet"]}"#).answers(201)
        let loaded = try load(
            "r", #"{"only":["other_verdict"],"targets":{"other_verdict":"target/verdict"}}"#)
        guard loaded.status < 300 else { return refusal(loaded, "freplace") }
        try apiary.curl(
            "POST /v1/probes",
            json: """
                {"program":"target","function":"on_packet","attach":{"kind":"xdp",
                 "interface":"v1","mode":"generic","netns":"\(network.name)"}}
                """
        ).answers(201)
        let answer = try apiary.curl(
            "POST /v1/probes",
            json: """
                {"program":"r","function":"other_verdict",
                 "attach":{"kind":"freplace","program":"target","function":"verdict"}}
                """)
        guard answer.status == 201 else { return refusal(answer, "freplace") }
        try network.send(2)
        #expect(try apiary.global("r", "replaced")?.int == 2)
        try apiary.curl("DELETE /v1/programs/r").answers(204)
        try apiary.curl("DELETE /v1/programs/target").answers(204)
        return "works"
    }

    /// Not on a host: see StructOpsTests.
    private func structOps(_ apiary: TestDaemon) throws -> String {
        guard StructOpsTests.isGuest else { return "not tried: only in a guest" }
        let load = try apiary.curl("PUT /v1/programs/s", file: "structops.bpf.o")
        guard load.status == 201 else {
            return "refused at the load, \(load["/errno"]?.string ?? "no errno")"
        }
        let answer = try apiary.curl(
            "POST /v1/probes", json: #"{"program":"s","function":"counting_init"}"#)
        guard answer.status == 201 else { return refusal(answer, "struct_ops") }
        try StructOpsTests.connect(with: "apiary_count")
        #expect(try apiary.global("s", "connections")?.int == 1)
        try apiary.curl("DELETE /v1/programs/s").answers(204)
        return Self.works(answer)
    }

    private func cause(_ cause: Trial.Cause, _ network: NetworkRig, _ other: Workload) throws {
        switch cause {
        case .systemCall: try other.getpgid(3)
        case .library: try other.getppid(3)
        case .packet: try network.send(2)
        case .connection: try network.inside("echo x > /dev/tcp/127.0.0.1/9 || true")
        case .clock, .none: break
        }
    }

    /// `refused, EINVAL: kernel 6.6 …`; anything but a 501 with an errno is a failure.
    private func refusal(_ answer: Answer, _ kind: String) -> String {
        let errno = answer["/errno"]?.string ?? "no errno"
        let detail = answer["/detail"]?.string ?? ""
        #expect(answer.status == 501, "\(kind): \(answer)")
        let needs = detail.components(separatedBy: "It needs ").dropFirst().first
        let why = needs.map { ": " + $0.trimmingSuffix(".") } ?? ""
        return "refused, \(errno)\(why)"
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
