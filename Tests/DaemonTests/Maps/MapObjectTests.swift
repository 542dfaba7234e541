import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Maps whose keys or values are objects of the kernel's: sockets, cgroups, programs.
@Suite(.requiresRoot) struct MapObjectTests {
    private func daemon() throws -> TestDaemon {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/k", file: "mapkinds.bpf.o").answers(201)
        return apiary
    }

    /// A socket of this process's that listens on a port of loopback.
    private final class Listener: Sendable {
        let raw: Int32
        /// As a client names it.
        var name: String { #"{"pid":\#(getpid()),"fd":\#(raw)}"# }

        init() throws {
            raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            try #require(raw >= 0)
            var yes: Int32 = 1
            let isShared = unsafe setsockopt(raw, SOL_SOCKET, SO_REUSEPORT, &yes, 4) == 0
            let isListening = listen(raw, 1) == 0
            try #require(isShared && isListening)
        }

        deinit { close(raw) }
    }

    @Test func `sockets are set by process and descriptor, and shown by their cookie`() throws {
        let apiary = try daemon()
        let socket = try Listener()
        let name = socket.name
        defer { withExtendedLifetime(socket) {} }
        for (map, key) in [("sockets", "1"), ("socket_hash", "7"), ("listeners", "1")] {
            let path = "/v1/maps/k/\(map)/entries/\(key)"
            try apiary.curl("PUT \(path)", json: #"{"value":\#(name)}"#).answers(201)
            let shown = try apiary.curl("GET \(path)").answers(200)
            #expect((shown["/value/cookie"]?.uint64 ?? 0) > 0, "\(map): \(shown)")
            try apiary.curl("DELETE \(path)").answers(204)
            try apiary.curl("GET \(path)").answers(404, problem: .notFound)
        }
        // Values of four bytes cannot hold a cookie: the kernel gives none.
        let blind = "/v1/maps/k/blind_sockets/entries/1"
        try apiary.curl("PUT \(blind)", json: #"{"value":\#(name)}"#)
        let answer = try apiary.curl("GET \(blind)")
        #expect([422, 507].contains(answer.status), "\(answer)")
        for wrong in [#"{"pid":1}"#, #"{"pid":0,"fd":0}"#, "7", #"{"pid":4194305,"fd":0}"#] {
            try apiary.curl("PUT /v1/maps/k/sockets/entries/1", json: #"{"value":\#(wrong)}"#)
                .answers(422, problem: .invalidValue)
        }
        let none = #"{"value":{"pid":\#(getpid()),"fd":9999}}"#
        try apiary.curl("PUT /v1/maps/k/sockets/entries/1", json: none)
            .answers(422, #"{"code":"invalid_value","errno":"EBADF"}"#)
    }

    @Test func `storage of a socket is reached by process and descriptor`() throws {
        let apiary = try daemon()
        let socket = try Listener()
        let name = socket.name
        defer { withExtendedLifetime(socket) {} }
        let path = "/v1/maps/k/of_sockets/entries/\(name)"
        try apiary.curl("PUT \(path)", json: #"{"value":5}"#).answers(201)
        try apiary.curl("GET \(path)").answers(200, #"{"key":\#(name),"value":5}"#)
        try apiary.curl("PUT \(path)?mode=create", json: #"{"value":6}"#)
            .answers(409, problem: .alreadyExists)
        try apiary.curl("DELETE \(path)").answers(204)
        try apiary.curl("GET \(path)").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/maps/k/of_sockets/entries")
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test func `an xskmap takes a socket and does not tell of it`() throws {
        let apiary = try daemon()
        let raw = Glibc.socket(44, Int32(SOCK_RAW.rawValue), 0)  // AF_XDP
        guard raw >= 0 else {
            print("skipped: this kernel has no AF_XDP sockets")
            return
        }
        defer { close(raw) }
        let path = "/v1/maps/k/xsks/entries/1"
        let name = #"{"value":{"pid":\#(getpid()),"fd":\#(raw)}}"#
        try apiary.curl("PUT \(path)", json: name).answers(200)
        try apiary.curl("GET \(path)").answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("DELETE \(path)").answers(204)
    }

    private static let cgroups: String? = {
        let mounts = (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n")
        let fields = mounts.map { $0.split(separator: " ") }
        return fields.first { $0.count > 2 && $0[2] == "cgroup2" }.map { String($0[1]) }
    }()

    @Test(.enabled("no version 2 cgroups are mounted") { cgroups != nil })
    func `cgroups are named by their directory`() throws {
        let apiary = try daemon()
        let directory = Self.cgroups ?? ""
        let encoded = directory.replacing("/", with: "%2F")
        for key in [#"{"path":"\#(encoded)"}"#, encoded] {
            let path = "/v1/maps/k/of_cgroups/entries/\(key)"
            try apiary.curl("PUT \(path)", json: #"{"value":5}"#).answers(201)
            try apiary.curl("GET \(path)").answers(200, #"{"value":5}"#)
            try apiary.curl("DELETE \(path)").answers(204)
        }
        let member = "/v1/maps/k/cgroups/entries/1"
        try apiary.curl("PUT \(member)", json: #"{"value":{"path":"\#(directory)"}}"#)
            .answers(200)
        try apiary.curl("GET \(member)").answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("DELETE \(member)").answers(204)
        try apiary.curl("PUT \(member)", json: #"{"value":{"path":"/tmp"}}"#)
            .answers(422, #"{"code":"invalid_value","errno":"EBADF"}"#)
    }

    @Test(.needs("cgroup"), .enabled("no version 2 cgroups are mounted") { cgroups != nil })
    func `storage of a cgroup is there while the program is attached to it`() throws {
        let apiary = try daemon()
        let directory = (Self.cgroups ?? "") + "/apiary-maps-\(getpid())"
        try FileSystem.makeDirectory(directory, mode: 0o755)
        // A directory that stays is the next test run's to see.
        defer { try? FileSystem.removeDirectory(directory) }
        let attach = #"{"kind":"cgroup","path":"\#(directory)"}"#
        try apiary.curl(
            "PUT /v1/probes/c", json: #"{"program":"k","function":"count","attach":\#(attach)}"#
        ).answers(201)
        let page = try apiary.curl("GET /v1/maps/k/by_cgroup/entries").answers(200)
        let key = try #require(page["/items/0/key"])
        let text = String(decoding: key.serialized(), as: UTF8.self)
        try apiary.curl("PUT /v1/maps/k/by_cgroup/entries/\(text)", json: #"{"value":9}"#)
            .answers(200)
        try apiary.curl("GET /v1/maps/k/by_cgroup/entries/\(text)").answers(200, #"{"value":9}"#)
        let each = try apiary.curl("GET /v1/maps/k/by_cgroup_and_cpu/entries").answers(200)
        #expect(each["/items/0/values"]?.array?.isEmpty == false)
        try apiary.curl("DELETE /v1/maps/k/by_cgroup/entries/\(text)")
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("DELETE /v1/probes/c").answers(204)
    }

    @Test func `a user ring buffer takes records as bytes or as a type of the program's`() throws {
        let apiary = try daemon()
        let path = "POST /v1/maps/k/commands/push"
        try apiary.curl(path, json: #"{"value":"hex:0102"}"#).answers(204)
        try apiary.curl("\(path)?type=command", json: #"{"value":{"number":7,"text":"go"}}"#)
            .answers(204)
        try apiary.curl("\(path)?type=command", json: #"{"value":{"number":-1}}"#)
            .answers(422, #"{"code":"invalid_value","pointer":"/value/number"}"#)
        try apiary.curl("\(path)?type=nothing", json: #"{"value":{}}"#)
            .answers(400, problem: .invalidParameter)
        try apiary.curl(path, json: #"{"value":7}"#).answers(422, problem: .invalidValue)
        // Nobody reads: the ring of 4096 bytes is full at last.
        var status = 204
        for _ in 0..<100 where status == 204 {
            status = try apiary.curl(
                path, json: #"{"value":"hex:\#(String(repeating: "00", count: 500))"}"#
            )
            .status
        }
        #expect(status == 507)
        try apiary.curl("GET /v1/maps/k/commands/entries")
            .answers(422, problem: .unsupportedMapOperation)
    }

    @Test func `an arena is told of, and has no entries`() throws {
        let apiary = try daemon()
        try apiary.curl("GET /v1/maps/k/arena")
            .answers(200, #"{"type":"arena","operations":[],"entry_count":null,"max_entries":2}"#)
        let answer = try apiary.curl("GET /v1/maps/k/arena/entries")
            .answers(422, problem: .unsupportedMapOperation)
        #expect(answer["/detail"]?.string?.contains("arena") == true)
    }

    @Test func `flags that the kernel forgets are the object's to tell`() throws {
        let apiary = try daemon()
        try apiary.curl("GET /v1/maps/k/to_read")
            .answers(200, #"{"flag_names":["rdonly"],"operations":["read","iterate"]}"#)
        try apiary.curl("PUT /v1/maps/k/to_read/entries/1", json: #"{"value":1}"#)
            .answers(422, problem: .unsupportedMapOperation)
        try apiary.curl("GET /v1/maps/k/to_read/entries").answers(200, #"{"items":[]}"#)
        try apiary.curl("PUT /v1/maps/k/to_write/entries/1", json: #"{"value":1}"#).answers(200)
        for path in ["entries", "entries/1", "entries?follow=1s"] {
            try apiary.curl("GET /v1/maps/k/to_write/\(path)")
                .answers(422, problem: .unsupportedMapOperation)
        }
    }
}
