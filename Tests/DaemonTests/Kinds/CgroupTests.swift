import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct CgroupTests {
    /// Where version 2 cgroups are mounted.
    static let mount: String? = {
        for line in (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }()

    @Test(.needs("cgroup"), .enabled("no version 2 cgroups are mounted") { mount != nil })
    func `a cgroup_skb counts what the cgroup's processes send, and nobody else's`() throws {
        let network = try NetworkRig()
        let path = (Self.mount ?? "") + "/" + network.name
        try FileSystem.makeDirectory(path, mode: 0o755)
        // A directory that stays is the next test run's to see.
        defer { try? FileSystem.removeDirectory(path) }
        let rig = try KindsRig("on_cgroup")
        try rig.attach("on_cgroup", #""kind":"cgroup","path":"\#(path)""#, id: "g")
            .answers(201, #"{"link":{"type":"cgroup","pinned":true}}"#)
        try network.send(2)
        #expect(try rig.count(3) == 0)
        // Outside first: `ip netns exec` has a /sys of its own, without cgroups.
        let sending = "for i in 1 2 3; do echo x > /dev/udp/10.9.0.2/9; done"
        try Machine.run(
            "bash", "-c",
            """
            echo $$ > \(path)/cgroup.procs &&
            ip netns exec \(network.name) bash -c '\(sending)'
            """)
        #expect(try rig.count(3) == 3)
        try rig.load(["on_cgroup"], label: "another").answers(
            200, #"{"probes":[{"id":"g","replaced":{"atomic":true}}]}"#)
        try rig.apiary.curl("DELETE /v1/probes/g").answers(204)
    }

    @Test func `what is no version 2 cgroup is refused, and a misspelt one has near names`() throws
    {
        let rig = try KindsRig("on_cgroup")
        try rig.attach("on_cgroup", #""kind":"cgroup","path":"/tmp""#)
            .answers(422, #"{"code":"attach_refused","errno":"EBADF","pointer":"/attach/path"}"#)
        try rig.attach("on_cgroup", #""kind":"cgroup","path":"/procc""#).answers(
            422, #"{"code":"target_not_found","hint":"Near it: /proc."}"#)
        try rig.attach("on_cgroup", #""kind":"cgroup","path":"relative""#)
            .answers(400, #"{"code":"invalid_member","pointer":"/attach/path"}"#)
    }
}
