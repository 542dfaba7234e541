import JSON
import Linux
import TestSupport
import Testing

/// A daemon with some functions of `kinds.bpf.c` loaded as `k`.
struct KindsRig {
    let apiary: TestDaemon
    private let digest: String

    /// - Parameter functions: the only ones that are loaded.
    init(_ functions: String...) throws {
        apiary = try TestDaemon()
        // What `SEC("?…")` names is not loaded unless asked for: this only keeps the object.
        let kept = try apiary.curl("PUT /v1/programs/keeper", file: "kinds.bpf.o").answers(201)
        digest = kept["/digest"]?.string ?? ""
        try load(functions).answers(201)
    }

    @discardableResult
    func load(
        _ functions: [String], targets: [String: String]? = nil, name: String = "k",
        label: String = "1"
    ) throws -> Answer {
        let only = functions.map { "\"\($0)\"" }.joined(separator: ",")
        let named = (targets ?? [:]).map { "\"\($0.key)\":\"\($0.value)\"" }
        return try apiary.curl(
            "PUT /v1/programs/\(name)",
            json: """
                {"object":{"digest":"\(digest)"},"functions":{"only":[\(only)],"targets":{\(named.joined(separator: ","))}},
                 "maps":{"counts":{"max_entries":\(16 + label.utf8.count)}}}
                """)
    }

    func attach(_ function: String, _ members: String, id: String? = nil) throws -> Answer {
        let json = #"{"program":"k","function":"\#(function)","attach":{\#(members)}}"#
        return try id.map { try apiary.curl("PUT /v1/probes/\($0)", json: json) }
            ?? apiary.curl("POST /v1/probes", json: json)
    }

    func count(_ slot: Int) throws -> UInt64? { try apiary.value("k/counts", slot) }

    /// Expects that the kind works here, or is refused with 501, the kernel's errno and a reason.
    func worksOrIsRefused(_ answer: Answer) {
        if answer.status == 201 { return }
        answer.answers(501)
        #expect(answer["/errno"]?.string?.hasPrefix("E") == true, "\(answer)")
        #expect((answer["/detail"]?.string?.utf8.count ?? 0) > 40, "\(answer)")
    }
}

/// A network namespace of one test's own with `v0` and `v1`, two ends of one cable. What is sent to
/// 10.9.0.2 leaves by `v0` and arrives at `v1`, and nothing else does.
final class NetworkRig {
    let name = "apiary-kinds-" + String(UInt32.random(in: .min ... .max), radix: 36)

    init() throws {
        try Machine.run("ip", "netns", "add", name)
        // Without it the kernel itself sends packets on each new interface.
        try inside("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
        try inside(
            """
            ip link set lo up && ip link add v0 type veth peer name v1 &&
            ip link set v0 up && ip link set v1 up && ip address add 10.9.0.1/24 dev v0 &&
            ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0
            """)
    }

    deinit {
        do { try Machine.run("ip", "netns", "del", name) } catch { print("\(error)") }
    }

    @discardableResult
    func inside(_ script: String) throws -> String {
        try Machine.run("ip", "netns", "exec", name, "bash", "-c", script)
    }

    func send(_ packets: Int) throws {
        try inside("for i in $(seq \(packets)); do echo x > /dev/udp/10.9.0.2/9; done")
    }
}
