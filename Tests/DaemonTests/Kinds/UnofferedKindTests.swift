import JSON
import TestSupport
import Testing

/// A kind that no function is for: only that the refusal is clear.
@Suite(.requiresRoot) struct UnofferedKindTests {
    @Test func `what is no kind is refused, and the known ones are listed`() throws {
        let rig = try KindsRig("on_kprobe")
        let refused = try rig.attach("on_kprobe", #""kind":"usdtt""#)
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/kind"}"#)
        #expect(refused["/detail"]?.string?.contains("struct_ops") == true)
        #expect(refused["/hint"]?.string?.contains("usdt") == true)
    }

    @Test(arguments: ["struct_ops", "freplace"])
    func `a function of another type is told the kinds that fit it`(kind: String) throws {
        let rig = try KindsRig("on_tc")
        let refused = try rig.attach("on_tc", #""kind":"\#(kind)""#).answers(
            422, problem: .wrongKind)
        #expect(refused["/detail"]?.string?.contains("tcx, tc, netkit can be") == true)
    }

    @Test(.needs("tracepoint")) func `attach=auto leaves to others what only they attach`() throws {
        let apiary = try TestDaemon()
        let put = "PUT /v1/programs/b?attach=auto"
        try apiary.curl(put + "&dry_run=true", file: "beside.bpf.o")
            .answers(200, #"{"changed":true}"#)
        try apiary.curl(put, file: "beside.bpf.o").answers(201)
        try apiary.curl(put, file: "beside.bpf.o").answers(200, #"{"changed":false}"#)
        let probes = try apiary.curl("GET /v1/probes").answers(200).names("id")
        #expect(probes == ["b.on_call"])
    }
}
