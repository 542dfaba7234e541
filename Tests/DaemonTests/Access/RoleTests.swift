import JSON
import Linux
import TestSupport
import Testing

/// Every operation of the contract, by every role and by nobody.
@Suite(.requiresRoot) struct RoleTests {
    private static let roles = ["none", "metrics", "read", "operate", "admin"]

    /// A request that reaches the operation and, where it is let in, changes nothing.
    private func request(_ operation: OpenAPIDocument.Operation) -> String {
        var path = operation.path
        while let start = path.firstIndex(of: "{"), let end = path.firstIndex(of: "}") {
            path.replaceSubrange(start...end, with: "nothing")
        }
        // Nothing may happen where the role is enough: the daemon must not even shut down.
        var query = operation.queryParameters.contains("dry_run") ? "?dry_run=true" : ""
        if operation.id == "get_events" { query = "?follow=false" }
        return "\(operation.method) \(path)\(query)"
    }

    @Test func `each operation is open to its role and those above, to no other`() throws {
        let port = try TestDaemon.freePort()
        let apiary = try TestDaemon(arguments: ["--listen", "127.0.0.1:\(port)"])
        var tokens: [String: String] = [:]
        for role in Self.roles.dropFirst() {
            let answer = try apiary.curl(
                "POST /v1/tokens", json: #"{"name":"\#(role)","role":"\#(role)"}"#
            ).answers(201)
            tokens[role] = answer["/token"]?.string
        }
        for operation in OpenAPIDocument.contract.operations {
            let wanted = try #require(Self.roles.firstIndex(of: operation.role))
            let nobody = try apiary.curl(request(operation), by: .tcp(port))
            if wanted > 0 {
                nobody.answers(401, problem: "unauthenticated")
                #expect(nobody.header("WWW-Authenticate") == "Bearer realm=\"apiary\"")
            } else {
                #expect(![401, 403].contains(nobody.status), "\(nobody)")
            }
            for (rank, role) in Self.roles.enumerated().dropFirst() {
                let answer = try apiary.curl(
                    request(operation), "Authorization: Bearer \(tokens[role] ?? "")",
                    by: .tcp(port))
                if rank < wanted {
                    answer.answers(403, problem: "forbidden")
                } else {
                    #expect(![401, 403].contains(answer.status), "\(role): \(answer)")
                }
            }
        }
    }

    @Test func `on the socket the kernel says who asks, and the configuration what they may`()
        throws
    {
        let apiary = try TestDaemon(arguments: [
            "--set", "socket_mode=666", "--set", "users=nobody=read,4001=admin",
            "--set", "groups=4100=operate",
        ])
        try apiary.openDirectories()
        func user(_ id: Int, _ groups: [Int] = []) -> CurlReach {
            .user(id, groups: groups, socket: apiary.socket)
        }
        try apiary.curl("GET /v1/programs").answers(200)
        try apiary.curl("GET /v1/programs", by: user(65534)).answers(200)
        try apiary.curl("DELETE /v1/probes/x", by: user(65534)).answers(403, problem: .forbidden)
        try apiary.curl("GET /v1/tokens", by: user(4001)).answers(200)
        try apiary.curl("GET /v1/programs", by: user(4002)).answers(403, problem: .forbidden)
        try apiary.curl("DELETE /v1/probes/x", by: user(4002, [4099, 4100])).answers(404)
        try apiary.curl("DELETE /v1/programs/x", by: user(4002, [4100])).answers(403)
        try apiary.curl("GET /v1/health", by: user(4002)).answers(200)
        // What is presented decides, also downwards.
        let token = try apiary.curl("POST /v1/tokens", json: #"{"name":"r","role":"read"}"#)
        let bearer = "Authorization: Bearer \(token["/token"]?.string ?? "")"
        try apiary.curl("DELETE /v1/probes/x", bearer).answers(403, problem: .forbidden)
        try apiary.curl("GET /v1/programs", bearer, by: user(4002)).answers(200)
    }

    @Test(arguments: [["socket_group=nogroup"], ["socket_mode=666"]])
    func `whom the socket is given to can reach it, and no other`(settings: [String]) throws {
        let group = 65534
        let all = settings + ["groups=nogroup=read"]
        let apiary = try TestDaemon(arguments: all.flatMap { ["--set", $0] })
        // All but the directory of the socket.
        try FileSystem.changeMode(apiary.directory, 0o711)
        try FileSystem.changeMode(apiary.directory + "/curl", 0o777)
        try apiary.curl("GET /v1/programs", by: .user(4002, groups: [group], socket: apiary.socket))
            .answers(200)
        let stranger = CurlReach.user(4002, socket: apiary.socket)
        if settings == ["socket_mode=666"] {
            try apiary.curl("GET /v1/programs", by: stranger).answers(403, problem: .forbidden)
        } else {
            #expect(throws: TestDaemonError.self) {
                try apiary.curl("GET /v1/health", by: stranger)
            }
        }
    }

    @Test func `whom SIGHUP shuts out loses open streams`() throws {
        let apiary = try TestDaemon(isStarted: false)
        let file = apiary.directory + "/apiary.yaml"
        func write(_ users: String) throws {
            let text = "socket_mode: 666\nusers: {\(users)}\n"
            try FileSystem.replace(file, with: Array(text.utf8).span)
        }
        try write("4001: read, 4002: read")
        apiary.arguments = ["--config", file]
        try apiary.start()
        try apiary.openDirectories()
        let streams = try [4001, 4002].map { id in
            try apiary.stream("GET /v1/events", by: .user(id, socket: apiary.socket))
        }
        for stream in streams { _ = try stream.next(kind: "hello") }
        try write("4002: read")
        apiary.signal(1)
        #expect(try streams[0].rest().lines.last?["reason"] == "token_revoked")
        try apiary.curl("GET /v1/programs", by: .user(4001, socket: apiary.socket)).answers(403)
        #expect(streams[1].isRunning)
        try apiary.curl("GET /v1/programs", by: .user(4002, socket: apiary.socket)).answers(200)
    }

    @Test(arguments: [
        (["--set", "users=no-such-user-here=read"], "there is no user no-such-user-here"),
        (["--set", "users=root=chief"], "is not one of metrics, read, operate, admin"),
        (["--set", "groups=no-such-group-here=read"], "there is no group"),
        (["--listen", "0.0.0.0:8080"], "beyond loopback there is only TLS"),
        (["--listen", "http://192.0.2.1:8080"], "beyond loopback there is only TLS"),
        (["--listen", ":8080"], "say the address"),
        (["--listen", "127.0.0.1"], "not of the form HOST:PORT"),
        (["--set", "token_file=/nonexistent"], "cannot be read: ENOENT"),
        (["--set", "cors_origins=*"], "not of the form https://host"),
    ])
    func `what would let in whom nobody meant keeps the daemon from starting`(
        arguments: [String], sentence: String
    ) throws {
        let apiary = try TestDaemon(arguments: arguments, isStarted: false)
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains(sentence), "\(apiary.log)")
    }
}
