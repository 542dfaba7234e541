import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Out of memory in a cgroup, out of memory that may be locked.
@Suite(.requiresRoot, .serialized) struct FaultMemoryTests {
    private static let release = FileSystem.text("/proc/sys/kernel/osrelease") ?? ""
    /// Before 5.11 maps and programs count as locked memory, and not in the cgroup.
    private static let isOld = ["4.", "5.4.", "5.10."].contains { release.hasPrefix($0) }

    @Test(
        .needs(.tracepoint), .enabled("no memory cgroup can be made") { MemoryGroup.isThere },
        .disabled("before 5.11 cgroups do not count maps") { isOld })
    func `a map beyond its cgroup's memory is refused, and the daemon lives`() throws {
        let group = try MemoryGroup()
        let apiary = try TestDaemon(isStarted: false)
        apiary.launcher = group.launcher
        try apiary.start()
        try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o").answers(201)
        let digest =
            try apiary.curl("PUT /v1/programs/keeper", file: "values.bpf.o")
            .answers(201)["/digest"]?.string ?? ""
        try group.limit(toMore: 48 << 20)
        var statuses: [Int] = []
        for number in 0..<3 {
            // Some hundred megabytes.
            let json = """
                {"object":{"digest":"\(digest)"},"maps":{"many":{"max_entries":4000000}}}
                """
            let answer = try apiary.curl("PUT /v1/programs/p\(number)", json: json)
            // The kernel refuses the map, or kills the loader.
            #expect([422, 503].contains(answer.status), "\(answer)")
            #expect(answer["/errno"] == "ENOMEM", "\(answer)")
            statuses.append(answer.status)
        }
        #expect(apiary.processIdentifier != nil)
        try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
        try apiary.curl("PUT /v1/programs/small", file: "counter.bpf.o").answers(201)
        try apiary.isSound("after a map that was too large for the cgroup")
        FaultReport.line(
            "a map beyond the memory of the cgroup", 3, "refused \(Set(statuses).sorted())")
    }

    @Test(.needs(.tracepoint), .enabled("no memory cgroup can be made") { MemoryGroup.isThere })
    func `killed by its cgroup's memory limit it comes back whole`() throws {
        let rounds = FaultRun.isLong ? 5 : 1
        var (killed, acknowledged, refused) = (0, 0, 0)
        for round in 0..<rounds {
            let group = try MemoryGroup()
            let apiary = try TestDaemon(isStarted: false)
            apiary.launcher = group.launcher
            try apiary.start()
            try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o")
                .answers(201)
            try group.limit(toMore: (4 + 8 * round) << 20)
            var statuses: [Int] = []
            for number in 0..<20 where apiary.processIdentifier != nil {
                statuses.append(
                    apiary.attempt(
                        "PUT /v1/programs/p\(number)?attach=auto", file: "hooks.bpf.o") ?? 0)
            }
            if try Machine.waits(seconds: 1, until: { apiary.processIdentifier == nil }) {
                killed += 1
            }
            try group.unlimit()
            apiary.kill9()
            try apiary.start()
            try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
            refused += statuses.filter { $0 >= 400 }.count
            // What was acknowledged is there.
            for (number, status) in statuses.enumerated() where status == 201 {
                try apiary.curl("GET /v1/programs/p\(number)").answers(200)
                acknowledged += 1
            }
            try apiary.isSound("after its memory ran out")
        }
        FaultReport.line(
            "out of memory in a cgroup", rounds,
            "killed \(killed) times, \(refused) loads refused; all \(acknowledged) acknowledged "
                + "loads there after the start")
    }

    @Test(.needs(.tracepoint))
    func `out of locked memory it refuses and says what to raise, or does not need any`() throws {
        let apiary = try TestDaemon(isStarted: false)
        // Who may exceed the limit, or raise it, has none.
        apiary.launcher = [
            "prlimit", "--memlock=1048576:1048576", "setpriv",
            "--bounding-set=-sys_resource,-ipc_lock", "--inh-caps=-sys_resource,-ipc_lock",
        ]
        try apiary.start()
        let small = try apiary.curl("PUT /v1/programs/c?attach=auto", file: "counter.bpf.o")
            .answers(201)
        let json = """
            {"object":{"digest":"\(small["/digest"]?.string ?? "")"},
             "maps":{"callers":{"max_entries":500000}}}
            """
        let answer = try apiary.curl("PUT /v1/programs/d", json: json)
        #expect((answer.status == 201) != Self.isOld, "\(answer)")
        if answer.status != 201 {
            #expect([422, 501, 503].contains(answer.status), "\(answer)")
            #expect(answer.text.contains("RLIMIT_MEMLOCK"), "\(answer)")
            #expect(answer["/errno"] == "EPERM", "\(answer)")
        }
        try apiary.curl("GET /v1/probes/c.count").answers(200, #"{"state":"attached"}"#)
        apiary.launcher = []
        try apiary.restart()
        try apiary.curl("PUT /v1/programs/e", json: json).answers(201)
        try apiary.isSound("after it was out of locked memory")
        FaultReport.line(
            "out of locked memory", 1,
            answer.status == 201
                ? "kernel \(Self.release.prefix { $0 != "\n" }) counts none: loaded"
                : "refused \(answer.status) with what to raise; loads after that")
    }
}

/// A cgroup of one test's own whose memory can be limited; of version 2 or 1.
final class MemoryGroup {
    private static let parent: (path: String, isSecond: Bool)? = {
        for line in (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ").map(String.init)
            guard fields.count > 3 else { continue }
            if fields[2] == "cgroup",
                fields[3].split(separator: ",").contains("memory")
            {
                return (fields[1], false)
            }
            let controllers = FileSystem.text(fields[1] + "/cgroup.controllers") ?? ""
            if fields[2] == "cgroup2", controllers.contains("memory") { return (fields[1], true) }
        }
        return nil
    }()

    static var isThere: Bool { parent != nil }

    private let path: String
    private let isSecond: Bool

    init() throws {
        let parent = try #require(Self.parent)
        isSecond = parent.isSecond
        path = parent.path + "/apiary-fault-" + String(UInt32.random(in: .min ... .max), radix: 36)
        if isSecond { try Self.write("+memory", parent.path + "/cgroup.subtree_control") }
        try FileSystem.makeDirectory(path)
    }

    deinit {
        do {
            _ = try Machine.waits { FileSystem.text(path + "/cgroup.procs")?.isEmpty != false }
            try FileSystem.removeDirectory(path)
        } catch { print("\(path) stays: \(error)") }
    }

    /// Starts a command in the group.
    var launcher: [String] {
        ["sh", "-c", #"echo $$ > "$0/cgroup.procs" && exec "$@""#, path]
    }

    /// - Parameter bytes: beyond what is in use now.
    func limit(toMore bytes: Int) throws {
        let file = path + (isSecond ? "/memory.current" : "/memory.usage_in_bytes")
        let now = Int((FileSystem.text(file) ?? "").trimmingCharacters(in: .newlines)) ?? 0
        try Self.write("\(now + bytes)", limitFile)
    }

    func unlimit() throws { try Self.write(isSecond ? "max" : "-1", limitFile) }

    private var limitFile: String {
        path + (isSecond ? "/memory.max" : "/memory.limit_in_bytes")
    }

    private static func write(_ text: String, _ path: String) throws {
        try FileDescriptor.open(path, .write).writeAll(Array(text.utf8).span)
    }
}
