import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// sk_msg and sk_skb on connections of a cgroup's processes, by `sockets.bpf.c`: with links from
/// 6.10 on, and before in the map without one.
@Suite(.requiresRoot) final class SocketTrafficTests {
    private let cgroup =
        (CgroupTests.mount ?? "/sys/fs/cgroup") + "/apiary-sockets-"
        + String(UInt32.random(in: .min ... .max), radix: 36)

    init() throws { try FileSystem.makeDirectory(cgroup, mode: 0o755) }

    deinit {
        // A directory that stays is the next run's to see.
        try? FileSystem.removeDirectory(cgroup)
    }

    /// Four connections over loopback, each sends once.
    private func talk() throws {
        let script = """
            for (1 .. 4) {
                socket(L, 2, 1, 6); bind(L, pack("SnC4x8", 2, 0, 127, 0, 0, 1)) or die;
                listen(L, 1); socket(S, 2, 1, 6); connect(S, getsockname(L)) or die;
                accept(A, L) or die; syswrite(S, "x") or die; sysread(A, my $x, 1) or die;
                close A; close S; close L;
            }
            """
        try Machine.run(
            "bash", "-c", "echo $$ > \(cgroup)/cgroup.procs; exec perl -e \"$0\"", script)
    }

    private func attach(_ apiary: TestDaemon, _ function: String, _ more: String, id: String? = nil)
        throws -> Answer
    {
        try apiary.curl(
            "PUT /v1/probes/\(id ?? function)",
            json: #"{"program":"s","function":"\#(function)","attach":{\#(more)}}"#)
    }

    private func start() throws -> TestDaemon {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/s", file: "sockets.bpf.o").answers(201)
        try attach(apiary, "on_established", #""kind":"cgroup","path":"\#(cgroup)""#).answers(201)
        return apiary
    }

    private let place = #""map":"sockets""#

    /// 5.10 locks up in its stream parser when both ends of a connection are in the map: there only
    /// what is sent is looked at.
    private static let hasStreams: Bool = {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        return (version.majorVersion, version.minorVersion) >= (5, 18)
    }()
    private let functions = ["on_message"] + (hasStreams ? ["on_bytes", "on_packet"] : [])

    @Test(.needs("sk_msg"), .enabled("no cgroups of version 2") { CgroupTests.mount != nil })
    func `what sockets send and receive is counted, after a kill too, and not once detached`()
        throws
    {
        let apiary = try start()
        for function in functions {
            try attach(apiary, function, place).answers(
                201, #"{"state":"attached","link":{"type":"sockmap","pinned":true}}"#)
        }
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 4)
        if Self.hasStreams { #expect(try apiary.global("s", "packets")?.int == 4) }
        for turn in 2...3 {
            apiary.kill9()
            try apiary.start()
            for function in functions {
                try apiary.curl("GET /v1/probes/\(function)").answers(200, #"{"state":"attached"}"#)
            }
            try talk()
            #expect(try apiary.global("s", "messages")?.int == 4 * turn)
            let packets = Self.hasStreams ? 4 * turn : 0
            #expect(try apiary.global("s", "packets")?.int == packets)
        }
        for function in functions {
            try apiary.curl("DELETE /v1/probes/\(function)").answers(204)
        }
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 12)
        #expect(try apiary.global("s", "packets")?.int == (Self.hasStreams ? 12 : 0))
        // The load, and the cgroup's link.
        #expect(try apiary.pins.count == 2)
    }

    @Test(.needs("sk_msg"), .enabled("no cgroups of version 2") { CgroupTests.mount != nil })
    func `another function comes into the place, and a dry run leaves it as it was`() throws {
        let apiary = try start()
        try attach(apiary, "on_message", place, id: "m").answers(201)
        try attach(apiary, "on_message_too", place, id: "n")
            .answers(409, #"{"code":"attach_busy","holder_probe":"m"}"#)
        try apiary.curl(
            "PUT /v1/probes/m?dry_run=true",
            json: #"{"program":"s","function":"on_message_too","attach":{\#(place)}}"#
        ).answers(200, #"{"changed":true}"#)
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 4)
        try attach(apiary, "on_message_too", place, id: "m").answers(200, #"{"changed":true}"#)
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 4004)
        apiary.kill9()
        try apiary.start()
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 8004)
        try apiary.curl("PATCH /v1/probes/m", json: #"{"enabled":false}"#).answers(200)
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 8004)
        try attach(apiary, "on_message", place, id: "n").answers(201)
        try talk()
        #expect(try apiary.global("s", "messages")?.int == 8008)
    }

    /// A new load has a map of its own, unless it keeps the old: the function must go where the
    /// sockets come.
    @Test(.needs("sk_msg"), .enabled("no cgroups of version 2") { CgroupTests.mount != nil })
    func `a replaced program counts in its new map, or goes on in the one that it keeps`() throws {
        let apiary = try start()
        try attach(apiary, "on_message", place, id: "m").answers(201)
        if Self.hasStreams {
            try attach(apiary, "on_packet", #""kind":"sk_skb","map":"s/sockets""#, id: "p")
                .answers(201)
            try attach(apiary, "on_bytes", place, id: "b").answers(201)
        }
        let digest = try apiary.curl("GET /v1/programs/s").answers(200)["/digest"]?.string ?? ""
        for (label, maps) in [("1", "{}"), ("2", #"{"sockets":{"reuse":"keep"}}"#)] {
            try apiary.curl(
                "PUT /v1/programs/s",
                json: """
                    {"object":{"digest":"\(digest)"},"maps":\(maps),
                     "globals":{"messages":\(label)}}
                    """
            ).answers(200, #"{"changed":true}"#)
            try talk()
            #expect(try apiary.global("s", "messages")?.int == 4 + (Int(label) ?? 0), "\(maps)")
            let packets = Self.hasStreams ? 4 : 0
            #expect(try apiary.global("s", "packets")?.int == packets, "\(maps)")
        }
        try apiary.curl("DELETE /v1/programs/s").answers(204)
        #expect(try apiary.pins.isEmpty)
    }
}
