import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct NamespaceTests {
    @Test(.needs("sk_lookup")) func `an sk_lookup runs for what looks for a listener there`() throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_lookup")
        try rig.attach("on_lookup", #""kind":"sk_lookup","netns":"\#(network.name)""#)
            .answers(201, #"{"link":{"type":"netns","pinned":true}}"#)
        // Nobody listens: the kernel looks, asks the function, and refuses.
        try network.inside("echo x > /dev/tcp/127.0.0.1/9 || true")
        #expect(try rig.count(4) == 1)
        try rig.load(["on_lookup"], label: "another").answers(
            200, #"{"probes":[{"id":"k.on_lookup","replaced":{"atomic":true}}]}"#)
    }

    @Test(.needs("flow_dissector")) func `a second flow dissector is told who is there`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_dissect")
        let place = #""kind":"flow_dissector","netns":"/run/netns/\#(network.name)""#
        let first = try rig.attach("on_dissect", place).answers(201)
        let busy = try rig.attach("on_dissect", place)
            .answers(409, #"{"code":"attach_busy","holder_probe":"k.on_dissect"}"#)
        #expect(busy["/holder_id"]?.int == first["/link/kernel_id"]?.int)
    }

    @Test(.needs("sk_lookup")) func `a file that is no namespace is refused`() throws {
        let rig = try KindsRig("on_lookup")
        try rig.attach("on_lookup", #""kind":"sk_lookup","netns":"/etc/passwd""#)
            .answers(422, #"{"code":"attach_refused","pointer":"/attach/netns"}"#)
    }
}
