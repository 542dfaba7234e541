import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct NetfilterTests {
    @Test(.needs("netfilter")) func `a netfilter function counts, and has its priority alone`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_packet")
        let place =
            #""kind":"netfilter","family":"ipv4","hook":"output","priority":5,"#
            + #""netns":"\#(network.name)""#
        try rig.attach("on_packet", place, id: "n")
            .answers(201, #"{"attach":{\#(place)},"link":{"type":"netfilter","pinned":true}}"#)
        try network.send(6)
        #expect(try rig.count(9) == 6)
        try rig.attach("on_packet", place)
            .answers(409, #"{"code":"attach_busy","holder_probe":"n"}"#)
        try rig.attach("on_packet", place.replacing("output", with: "outputt"))
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/hook"}"#)
    }
}
