import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct UprobeMultiTests {
    private let libc = ProbeKindTests.libc

    @Test(.needs("uprobe_multi")) func `a uprobe_multi counts calls of each function that matches`()
        throws
    {
        let rig = try KindsRig("on_uprobes")
        let other = try Workload()
        let process = #""binary":"\#(libc)","pid":\#(other.processIdentifier)"#
        try rig.attach(
            "on_uprobes", #""kind":"uprobe_multi",\#(process),"pattern":"getpp?d""#, id: "p"
        )
        .answers(201, #"{"link":{"type":"uprobe_multi","pinned":true}}"#)
        try other.getppid(10)
        #expect(try rig.count(8) == 10)
        try rig.attach(
            "on_uprobes", #""kind":"uprobe_multi",\#(process),"symbols":["getppid","getpid"]"#,
            id: "p"
        ).answers(200, #"{"changed":true}"#)
        try other.getppid(5)
        #expect(try rig.count(8) == 15)
    }

    @Test(.needs("uprobe_multi"))
    func `what matches nothing, too much or the wrong function is refused`()
        throws
    {
        let rig = try KindsRig("on_uprobes", "on_kprobe")
        let file = #""kind":"uprobe_multi","binary":"\#(libc)""#
        try rig.attach("on_uprobes", file + #","pattern":"getppidd""#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/pattern"}"#)
        try rig.attach("on_uprobes", file + #","symbols":["getppid","nothere"]"#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/symbols"}"#)
        try rig.attach("on_uprobes", file + #","pattern":"a","symbols":["b"]"#)
            .answers(400, problem: .invalidMember)
        try rig.attach("on_uprobes", file).answers(400, problem: .invalidMember)
        try rig.attach("on_uprobes", #""kind":"uprobe","binary":"\#(libc)","symbol":"getppid""#)
            .answers(422, problem: .wrongKind)
        try rig.attach("on_kprobe", file + #","pattern":"getppid""#)
            .answers(422, problem: .wrongKind)
    }
}
