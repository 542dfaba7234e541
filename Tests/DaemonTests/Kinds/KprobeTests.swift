import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct KprobeTests {
    @Test(.needs("kprobe")) func `a kprobe and a ksyscall count each call`() throws {
        let rig = try KindsRig("on_kprobe")
        let other = try Workload()
        try rig.attach("on_kprobe", #""kind":"ksyscall","syscall":"getpgid""#, id: "s")
            .answers(201, #"{"state":"attached","link":{"type":"perf_event"}}"#)
        let before = try rig.count(6) ?? 0
        try other.getpgid(10)
        #expect((try rig.count(6) ?? 0) - before >= 10)
        try rig.apiary.curl("DELETE /v1/probes/s").answers(204)
        try rig.attach("on_kprobe", #""kind":"kprobe","symbol":"do_getpgid""#).answers(201)
        try rig.attach("on_kprobe", #""kind":"kretprobe","symbol":"do_getpgid""#).answers(201)
        try rig.attach("on_kprobe", #""kind":"kprobe","symbol":"do_getpgit""#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/symbol"}"#)
    }

    @Test func `each kprobe kind works here, or is refused with the kernel's reason`() throws {
        let rig = try KindsRig("on_kprobe", "on_kprobes")
        rig.worksOrIsRefused(
            try rig.attach("on_kprobe", #""kind":"kprobe","symbol":"bpf_fentry_test1""#))
        rig.worksOrIsRefused(
            try rig.attach("on_kprobe", #""kind":"kretprobe","symbol":"bpf_fentry_test1""#))
        rig.worksOrIsRefused(
            try rig.attach("on_kprobe", #""kind":"ksyscall","syscall":"getpgid""#))
        rig.worksOrIsRefused(
            try rig.attach("on_kprobe", #""kind":"kretsyscall","syscall":"getpgid""#))
        rig.worksOrIsRefused(
            try rig.attach("on_kprobes", #""kind":"kprobe_multi","pattern":"bpf_fentry_test*""#))
    }

    @Test func `a system call that does not exist has near names`() throws {
        let rig = try KindsRig("on_kprobe")
        let refused = try rig.attach("on_kprobe", #""kind":"ksyscall","syscall":"getpgidd""#)
            .answers(422, #"{"code":"target_not_found","pointer":"/attach/syscall"}"#)
        #expect(refused["/hint"]?.string?.contains("getpgid") == true)
    }
}
