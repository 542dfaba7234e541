import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct TCXTests {
    @Test(.needs("tcx")) func `a tcx counts each packet, and stands where it is told to`() throws {
        let network = try NetworkRig()
        let rig = try KindsRig("on_tc")
        let place =
            #""kind":"tcx","interface":"v1","direction":"ingress","netns":"\#(network.name)""#
        try rig.attach("on_tc", place, id: "first")
            .answers(201, #"{"link":{"type":"tcx","pinned":true}}"#)
        try network.send(5)
        #expect(try rig.count(2) == 5)
        try rig.attach("on_tc", place + #","before":"frst""#)
            .answers(422, #"{"code":"target_not_found","hint":"Near it: first."}"#)
        // The kernel takes a function once at a place.
        try rig.attach("on_tc", place).answers(409, problem: .attachBusy)
        try rig.load(["on_tc"], name: "other").answers(201)
        try rig.apiary.curl(
            "PUT /v1/probes/second",
            json: #"{"program":"other","function":"on_tc","attach":{\#(place),"before":"first"}}"#
        ).answers(201, #"{"attach":{"before":"first"}}"#)
        let shown = try network.inside("bpftool -j net show dev v1")
        let ids = try JSONValue.parse(shown).at("/0/tc")?.array?.compactMap { $0["id"]?.int } ?? []
        let functions = try ["other", "k"].map { program in
            try rig.apiary.curl("GET /v1/programs/\(program)").answers(200)[
                "/functions/0/kernel_id"]?.int
        }
        if ids.count == 2 { #expect(ids == functions.compactMap(\.self)) }
        try rig.apiary.curl("DELETE /v1/probes/first").answers(204)
        try network.send(1)
        #expect(try rig.count(2) == 5)
    }
}
