import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct TracingTests {
    @Test(arguments: ["on_fentry", "on_fexit", "on_modify", "on_lsm"])
    func `a function with a fixed target works here, or its load is refused with the reason`(
        function: String
    ) throws {
        let rig = try KindsRig("on_xdp")
        let load = try rig.load([function], name: "t")
        rig.worksOrIsRefused(load)
        guard load.status == 201 else { return }
        let answer = try rig.apiary.curl(
            "POST /v1/probes", json: #"{"program":"t","function":"\#(function)"}"#)
        rig.worksOrIsRefused(answer)
        guard answer.status == 201 else { return }
        #expect(answer["/link/type"]?.string == "tracing")
        #expect(answer["/attach/target"]?.string != nil)
    }

    @Test(.needs(.tpBTF)) func `another target than the load's is refused, with what to change`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/t", file: "tpbtf.bpf.o").answers(201)
        let refused = try apiary.curl(
            "POST /v1/probes",
            json:
                #"{"program":"t","function":"count","attach":{"kind":"tp_btf","target":"sched_exit"}}"#
        ).answers(422, #"{"code":"wrong_kind","pointer":"/attach/target"}"#)
        #expect(refused["/detail"]?.string?.contains("functions.targets") == true)
    }
}
