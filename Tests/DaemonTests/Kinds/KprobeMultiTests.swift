import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct KprobeMultiTests {
    @Test(.needs("kprobe_multi")) func `a kprobe_multi is one link for many functions`() throws {
        let rig = try KindsRig("on_kprobes")
        try rig.attach("on_kprobes", #""kind":"kprobe_multi","pattern":"bpf_fentry_test*""#)
            .answers(201, #"{"link":{"type":"kprobe_multi","pinned":true}}"#)
        try rig.attach(
            "on_kprobes",
            #""kind":"kprobe_multi","symbols":["bpf_fentry_test1","no_such_function"]"#
        ).answers(422, #"{"code":"target_not_found","pointer":"/attach/symbols"}"#)
    }

    @Test func `a pattern that matches nothing or too much is refused before the kernel is asked`()
        throws
    {
        let rig = try KindsRig("on_kprobes")
        try rig.attach("on_kprobes", #""kind":"kprobe_multi","pattern":"no_such_function*x""#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/pattern"}"#)
        try rig.attach("on_kprobes", #""kind":"kprobe_multi","pattern":"*""#)
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/pattern"}"#)
        try rig.attach("on_kprobes", #""kind":"kprobe","symbol":"vfs_read""#)
            .answers(422, problem: .wrongKind)
    }
}
