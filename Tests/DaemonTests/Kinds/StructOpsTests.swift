import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Attached only in a guest: a slip of the kernel's in struct_ops hangs it until the next boot.
@Suite(.requiresRoot) struct StructOpsTests {
    static let isGuest = ProcessInfo.processInfo.environment["APIARY_GUEST"] != nil

    /// A connection over loopback with that congestion control.
    static func connect(with name: String) throws {
        let script = """
            socket(L, 2, 1, 6); bind(L, pack("SnC4x8", 2, 0, 127, 0, 0, 1)) or die;
            listen(L, 1); socket(S, 2, 1, 6); setsockopt(S, 6, 13, "\(name)") or die "no: $!";
            connect(S, getsockname(L)) or die;
            """
        try Machine.run("perl", "-e", script)
    }

    @Test(.needs("struct_ops"), .enabled("struct_ops is attached in a guest only") { isGuest })
    func `a congestion control is registered with its map, and goes with its probe`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/s", file: "structops.bpf.o").answers(201)
        try apiary.curl("POST /v1/probes", json: #"{"program":"s","function":"counting_init"}"#)
            .answers(201, #"{"attach":{"kind":"struct_ops"},"link":{"type":"struct_ops"}}"#)
        try Self.connect(with: "apiary_count")
        #expect(try apiary.global("s", "connections")?.int == 1)
        try apiary.curl(
            "POST /v1/probes",
            json: #"""
                {"program":"s","function":"counting_init",
                 "attach":{"kind":"struct_ops","map":"counting"}}
                """#
        ).answers(409, #"{"code":"attach_busy"}"#)
        apiary.kill9()
        try Self.connect(with: "apiary_count")
        try apiary.start()
        try apiary.curl("GET /v1/probes/s.counting_init").answers(200, #"{"state":"attached"}"#)
        #expect(try apiary.global("s", "connections")?.int == 2)
        // Before 6.4 the kernel takes a map once only; the probe comes back all the same.
        for number in 3...4 {
            let probe = "PATCH /v1/probes/s.counting_init"
            try apiary.curl(probe, json: #"{"enabled":false}"#).answers(200)
            #expect(throws: (any Error).self) { try Self.connect(with: "apiary_count") }
            try apiary.curl(probe, json: #"{"enabled":true}"#).answers(200)
            try Self.connect(with: "apiary_count")
            #expect(try apiary.global("s", "connections")?.int == number)
        }
        let place = #"{"program":"s","function":"counting_init"}"#
        try apiary.curl("PUT /v1/probes/other?dry_run=true", json: place).answers(409)
        try apiary.curl("DELETE /v1/probes/s.counting_init").answers(204)
        #expect(throws: (any Error).self) { try Self.connect(with: "apiary_count") }
        try apiary.curl("PUT /v1/probes/s?dry_run=true", json: place).answers(200)
        #expect(throws: (any Error).self) { try Self.connect(with: "apiary_count") }
        try apiary.curl("DELETE /v1/programs/s").answers(204)
        try apiary.curl("PUT /v1/programs/s?attach=auto", file: "structops.bpf.o").answers(201)
        try Self.connect(with: "apiary_count")
        // One probe registers all the functions: none is missing.
        try apiary.curl("PUT /v1/programs/s?attach=auto", file: "structops.bpf.o")
            .answers(200, #"{"changed":false}"#)
        try apiary.curl("DELETE /v1/programs/s").answers(204)
        #expect(throws: (any Error).self) { try Self.connect(with: "apiary_count") }
        #expect(try apiary.pins.isEmpty)
    }

    @Test func `the functions' refusals are clear where nothing is attached`() throws {
        let rig = try KindsRig("on_tc")
        try rig.attach("on_tc", #""kind":"struct_ops","map":"counts""#)
            .answers(422, problem: .wrongKind)
    }
}
