import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct TrafficControlTests {
    @Test(.needs("tc")) func `a tc filter counts, is adopted, replaced in place and removed`()
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig("on_tc")
        let place =
            #""kind":"tc","interface":"v1","direction":"ingress","netns":"\#(network.name)""#
        try rig.attach("on_tc", place + #","priority":7"#, id: "f").answers(
            201, #"{"state":"attached","link":{"kernel_id":null,"type":"tc","pinned":true}}"#)
        let shown = try filters(network)
        #expect(shown.contains("pref 7 ") && shown.contains("on_tc"), "\(shown)")
        try network.send(5)
        #expect(try rig.count(2) == 5)
        try rig.apiary.restart()
        #expect(try filters(network) == shown)
        try rig.load(["on_tc"], label: "another").answers(
            200, #"{"probes":[{"id":"f","replaced":{"atomic":true}}]}"#)
        try network.send(3)
        #expect(try rig.count(2) == 3)
        try rig.apiary.curl("DELETE /v1/probes/f").answers(204)
        #expect(try !filters(network).contains("on_tc"))
    }

    @Test(.needs("tc")) func `two tc filters of one priority stand side by side`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_tc")
        let place =
            #""kind":"tc","interface":"v1","direction":"ingress","netns":"\#(network.name)""#
        try rig.attach("on_tc", place).answers(201)
        try rig.attach("on_tc", place).answers(201, #"{"id":"k.on_tc-2"}"#)
        try network.send(2)
        #expect(try rig.count(2) == 4)
        try rig.apiary.curl("DELETE /v1/probes?program=k").answers(204)
        #expect(try !filters(network).contains("on_tc"))
    }

    @Test(.needs("tc")) func `a filter whose namespace is gone is deleted without complaint`()
        throws
    {
        let rig = try KindsRig("on_tc")
        do {
            let network = try NetworkRig()
            try rig.attach(
                "on_tc",
                #""kind":"tc","interface":"v1","direction":"egress","netns":"\#(network.name)""#
            ).answers(201)
        }
        try rig.apiary.curl("DELETE /v1/probes/k.on_tc").answers(204)
    }

    private func filters(_ network: NetworkRig) throws -> String {
        try network.inside("tc filter show dev v1 ingress")
    }
}
