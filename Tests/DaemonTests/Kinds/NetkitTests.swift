import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct NetkitTests {
    @Test func `an interface that is no netkit device, or a kernel without netkit, is refused`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_tc")
        let answer = try rig.attach(
            "on_tc", #""kind":"netkit","interface":"v1","netns":"\#(network.name)""#)
        if answer.status == 422 {
            answer.answers(422, #"{"code":"attach_refused","errno":"ENXIO"}"#)
        } else {
            answer.answers(501, #"{"code":"host_lacks","errno":"EINVAL"}"#)
        }
    }

    @Test(.needs("netkit")) func `a function is attached to a netkit device`() throws {
        let network = try NetworkRig()
        try network.inside("ip link add nk0 type netkit")
        let rig = try KindsRig("on_tc")
        try rig.attach("on_tc", #""kind":"netkit","interface":"nk0","netns":"\#(network.name)""#)
            .answers(201, #"{"link":{"type":"netkit","pinned":true}}"#)
    }
}
