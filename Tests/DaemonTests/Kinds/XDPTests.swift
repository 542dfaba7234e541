import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct XDPTests {
    @Test(.needs("xdp")) func `an xdp counts each packet of its interface, in its namespace`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp")
        let place = #""kind":"xdp","interface":"v1","netns":"\#(network.name)""#
        try rig.attach("on_xdp", place, id: "p").answers(
            201, #"{"state":"attached","link":{"type":"xdp","pinned":true},"attach":{\#(place)}}"#)
        try network.send(7)
        #expect(try rig.count(0) == 7)
        try rig.apiary.curl("DELETE /v1/probes/p").answers(204)
        try network.send(3)
        #expect(try rig.count(0) == 7)
        #expect(try !network.inside("ip link show v1").contains("xdp"))
    }

    @Test(.needs("xdp")) func `a second xdp is told who has the interface`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp", "on_xdp_too")
        let place = #""kind":"xdp","interface":"v1","mode":"generic","netns":"\#(network.name)""#
        let first = try rig.attach("on_xdp", place).answers(201)
        let busy = try rig.attach("on_xdp_too", place)
            .answers(409, #"{"code":"attach_busy","errno":"EBUSY","holder_probe":"k.on_xdp"}"#)
        #expect(busy["/holder_id"]?.int == first["/link/kernel_id"]?.int)
        // The probe itself may change its function: the kernel exchanges it under the link.
        let changed = try rig.attach("on_xdp_too", place, id: "k.on_xdp")
            .answers(200, #"{"changed":true,"function":"on_xdp_too"}"#)
        #expect(changed["/link/kernel_id"]?.int == first["/link/kernel_id"]?.int)
        try network.send(2)
        #expect(try rig.count(0) == 0)
        #expect(try rig.count(1) == 2)
    }

    @Test(.needs("xdp")) func `a replaced program keeps its xdp link, without a gap`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp")
        let first = try rig.attach(
            "on_xdp", #""kind":"xdp","interface":"v1","netns":"\#(network.name)""#
        ).answers(201)
        try rig.load(["on_xdp"], label: "another").answers(
            200, #"{"probes":[{"id":"k.on_xdp","replaced":{"atomic":true}}]}"#)
        let now = try rig.apiary.curl("GET /v1/probes/k.on_xdp").answers(200)
        #expect(now["/link/kernel_id"]?.int == first["/link/kernel_id"]?.int)
        try network.send(4)
        #expect(try rig.count(0) == 4)
        try rig.apiary.restart()
        let adopted = try rig.apiary.curl("GET /v1/probes/k.on_xdp").answers(200)
        #expect(adopted["/link/kernel_id"]?.int == first["/link/kernel_id"]?.int)
    }

    @Test(.needs("xdp"))
    func `an interface or namespace that is not there is named, with near ones`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp")
        try rig.attach("on_xdp", #""kind":"xdp","interface":"v11","netns":"\#(network.name)""#)
            .answers(
                422,
                #"{"code":"target_not_found","pointer":"/attach/interface","hint":"Near it: v1, v0."}"#
            )
        try rig.attach("on_xdp", #""kind":"xdp","interface":"v1","netns":"\#(network.name)x""#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/netns"}"#)
        try rig.attach("on_xdp", #""kind":"xdp""#)
            .answers(400, #"{"code":"invalid_member"}"#)
        try rig.attach("on_xdp", #""kind":"tcx","interface":"v1","direction":"ingress""#)
            .answers(422, #"{"code":"wrong_kind"}"#)
        try rig.attach("on_xdp", #""kind":"xdp","interface":"v1","mode":"quick""#)
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/mode"}"#)
    }

    @Test(.needs("xdp"))
    func `an xdp whose interface is gone fails at the next start, and says so`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_xdp")
        try rig.attach("on_xdp", #""kind":"xdp","interface":"v1","netns":"\#(network.name)""#)
            .answers(201)
        try network.inside("ip link del v1")
        try rig.apiary.restart()
        try rig.apiary.curl("GET /v1/probes/k.on_xdp").answers(
            200, #"{"state":"failed","link":null,"problem":{"code":"target_not_found"}}"#)
    }
}
