import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct PerfEventTests {
    @Test(.needs("perf_event")) func `a clock is one link a CPU, adopted and detached together`()
        throws
    {
        let cpus = try Int(Machine.run("nproc", "--all").filter(\.isNumber)) ?? 0
        let rig = try KindsRig("on_clock")
        let put = try rig.attach(
            "on_clock", #""kind":"perf_event","event":"cpu-clock","frequency":99"#, id: "c"
        ).answers(201, #"{"state":"attached"}"#)
        let ids =
            put["/link/kernel_ids"]?.array?.compactMap(\.int) ?? [put["/link/kernel_id"]?.int ?? 0]
        #expect(ids.count == cpus)
        #expect(try Machine.waits { (try rig.count(5) ?? 0) > 2 })
        #expect(try rig.apiary.pins.filter { $0.hasPrefix("l") }.count == cpus)
        try rig.apiary.restart()
        let adopted = try rig.apiary.curl("GET /v1/probes/c").answers(200)
        #expect(adopted["/link"] == put["/link"])
        try rig.apiary.curl("DELETE /v1/probes/c").answers(204)
        #expect(try rig.apiary.pins.filter { $0.hasPrefix("l") } == [])
        for id in ids { #expect(try !Machine.hasLink(id)) }
    }

    @Test(.needs("perf_event")) func `a counter of one process or CPU is one link`() throws {
        let rig = try KindsRig("on_clock")
        let other = try Workload()
        let clock = #""kind":"perf_event","event":"task-clock","period":1000000"#
        let one = try rig.attach("on_clock", clock + #","pid":\#(other.processIdentifier)"#)
            .answers(201)
        #expect(one["/link/kernel_ids"] == nil)
        try rig.attach(
            "on_clock", #""kind":"perf_event","event":"cpu-clock","period":1000000,"cpu":0"#
        )
        .answers(201)
        try rig.attach("on_clock", clock + #","pid":2147483000"#)
            .answers(422, #"{"code":"target_not_found","errno":"ESRCH","pointer":"/attach/pid"}"#)
        try rig.attach("on_clock", clock + #","cpu":4000"#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/cpu"}"#)
        try rig.attach("on_clock", clock + #","frequency":9"#)
            .answers(400, problem: .invalidMember)
        try rig.attach("on_clock", #""kind":"perf_event","event":"cpu-clocks","frequency":9"#)
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/event"}"#)
    }

    @Test(.needs("perf_event")) func `a counter of the CPU works, or the machine's lack is told`()
        throws
    {
        let rig = try KindsRig("on_clock")
        rig.worksOrIsRefused(
            try rig.attach("on_clock", #""kind":"perf_event","event":"cpu-cycles","frequency":9"#))
    }
}
