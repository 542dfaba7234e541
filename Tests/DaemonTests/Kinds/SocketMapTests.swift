import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct SocketMapTests {
    @Test(.needs("sk_skb"), arguments: [("on_stream", "sk_skb"), ("on_message", "sk_msg")])
    func `a sockmap takes one function of a kind, and tells who is there`(
        function: String, kind: String
    ) throws {
        let rig = try KindsRig(function)
        let place = #""kind":"\#(kind)","map":"sockets""#
        let first = try rig.attach(function, place)
            .answers(201, #"{"link":{"type":"sockmap","pinned":true}}"#)
        let busy = try rig.attach(function, place)
            .answers(409, #"{"code":"attach_busy","holder_probe":"k.\#(function)"}"#)
        // Before 6.10 there is no link to name, and before 5.18 no program either.
        if let id = first["/link/kernel_id"]?.int { #expect(busy["/holder_id"]?.int == id) }
        try rig.apiary.curl("DELETE /v1/probes/k.\(function)").answers(204)
        try rig.attach(function, place).answers(201)
    }

    @Test(.needs("sk_skb"))
    func `another map than a sockmap is refused, a misspelt one has near names`()
        throws
    {
        let rig = try KindsRig("on_stream")
        try rig.attach("on_stream", #""kind":"sk_skb","map":"counts""#)
            .answers(422, #"{"code":"attach_refused","pointer":"/attach/map"}"#)
        try rig.attach("on_stream", #""kind":"sk_skb","map":"socket""#)
            .answers(422, #"{"code":"target_not_found","hint":"Near it: sockets."}"#)
        try rig.attach("on_stream", #""kind":"sk_skb","map":"k/sockets""#).answers(201)
        try rig.attach("on_stream", #""kind":"sk_skb","map":"nobody/sockets""#)
            .answers(422, problem: .targetNotFound)
    }
}
