import JSON
import Linux
import TestSupport
import Testing

/// A counter that is kept over many replacements, while what it counts goes on: nothing is missed.
@Suite(.requiresRoot) struct ReplaceGapTests {
    /// Loads the program again and again, each time as another load, until `isOver`.
    private func replace(
        _ apiary: TestDaemon, _ name: String, _ digest: String, only function: String,
        _ globals: String = "{}", until isOver: () -> Bool
    ) throws -> (count: Int, isAtomic: Bool) {
        var count = 0
        var isAtomic = true
        while !isOver() || count < 4 {
            // Neither changes what there is: only the options of the load are others.
            let attach = count % 2 == 0 ? "auto" : "none"
            let answer = try apiary.curl(
                "PUT /v1/programs/\(name)",
                json: """
                    {"object":{"digest":"\(digest)"},"functions":{"only":["\(function)"]},
                     "maps":{"counts":{"reuse":"keep"}},"globals":\(globals),"attach":"\(attach)"}
                    """
            ).answers(200, #"{"changed":true}"#)
            #expect(answer["/probes"]?.array?.count == 1)
            isAtomic = isAtomic && answer["/probes/0/replaced/atomic"] == true
            count += 1
        }
        return (count, isAtomic)
    }

    @Test(.needs("xdp"), arguments: ["on_xdp", "on_tc"])
    func `a link that the kernel updates loses no packet and counts none twice`(function: String)
        throws
    {
        let network = try NetworkRig()
        let rig = try KindsRig(function)
        let digest = try rig.apiary.curl("GET /v1/programs/k").answers(200)["/digest"]?.string
        let kind =
            function == "on_xdp" ? #""kind":"xdp""# : #""kind":"tcx","direction":"ingress""#
        let attached = try rig.attach(
            function, #"\#(kind),"interface":"v1","netns":"\#(network.name)""#)
        // Before 6.6 there is no tcx.
        guard attached.status == 201 else {
            rig.worksOrIsRefused(attached)
            return
        }
        let done = rig.apiary.directory + "/sent"
        let packets = 20_000
        try network.inside(
            """
            nohup bash -c 'for i in $(seq \(packets)); do echo x > /dev/udp/10.9.0.2/9; done
            touch \(done)' > /dev/null 2>&1 &
            """)
        let (count, isAtomic) = try replace(
            rig.apiary, "k", digest ?? "", only: function, until: { FileSystem.exists(done) })
        #expect(isAtomic, "of \(count) replacements")
        #expect(try rig.count(function == "on_xdp" ? 0 : 2) == UInt64(packets))
    }

    @Test(.needs(.tracepoint)) func `a link that is made anew loses no hit`() throws {
        let apiary = try TestDaemon()
        let directory = apiary.directory
        let calls = 200_000
        let text = """
            import os, time
            while not os.path.exists("\(directory)/go"): time.sleep(0.01)
            for i in range(\(calls)): os.getpgid(0)
            open("\(directory)/done", "w")
            """
        try FileSystem.replace(directory + "/calls.py", with: Array(text.utf8).span)
        let pid = try Machine.run(
            "bash", "-c", "nohup python3 \(directory)/calls.py > /dev/null 2>&1 & echo -n $!")
        let globals = #"{"target_pid":\#(pid)}"#
        let kept = try apiary.curl("PUT /v1/programs/kept", file: "hooks_next.bpf.o").answers(201)
        let digest = kept["/digest"]?.string ?? ""
        try apiary.curl(
            "PUT /v1/programs/x",
            json: """
                {"object":{"digest":"\(digest)"},"functions":{"only":["on_tracepoint"]},
                 "globals":\(globals),"attach":"auto"}
                """
        ).answers(201)
        try FileSystem.replace(directory + "/go", with: [UInt8]().span)
        _ = try replace(
            apiary, "x", digest, only: "on_tracepoint", globals,
            until: { FileSystem.exists(directory + "/done") })
        // Ten for each hit; both links may see a hit while they overlap.
        let counted = try apiary.value("x/counts", 0) ?? 0
        #expect(counted >= UInt64(calls) * 10, "\(counted)")
    }
}
