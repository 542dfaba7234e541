import JSON
import Linux
import TestSupport
import Testing

/// Bodies that are no good: each is told why, and harms nobody.
@Suite(.requiresRoot) struct RefusalTests {
    private let apiary: TestDaemon
    private let processIdentifier: Int32

    init() throws {
        apiary = try TestDaemon()
        processIdentifier = try #require(apiary.processIdentifier)
    }

    private func put(_ bytes: [UInt8], _ query: String = "") throws -> Answer {
        let path = apiary.directory + "/upload"
        try FileSystem.replace(path, with: bytes.span)
        return try apiary.curl("PUT /v1/programs/x\(query)", file: path)
    }

    private func isUnharmed() throws {
        #expect(apiary.processIdentifier == processIdentifier)
        #expect(try apiary.pins == [])
        #expect(try apiary.isAtRest)
        try apiary.curl("GET /v1/programs/x").answers(404, problem: .notFound)
        try apiary.curl("GET /v1/objects").answers(200, #"{"items":[]}"#)
    }

    @Test func `what is no BPF object is refused`() throws {
        let whole = try FileSystem.read(Repository.object("events.bpf.o"))
        for (name, bytes) in [
            ("empty", []), ("text", Array("#!/bin/sh\necho hello\n".utf8)),
            ("x86", try FileSystem.read("/bin/true")), ("header", Array(whole.prefix(64))),
            ("zeros", [UInt8](repeating: 0, count: 65536)),
        ] {
            let answer = try put(bytes).answers(422, problem: .objectRefused)
            let detail = answer["/detail"]?.string ?? ""
            #expect(detail.count > 20, "\(name)")
        }
        let x86 = try put(FileSystem.read("/bin/true"))
        #expect(x86["/detail"]?.string?.contains("clang -target bpf") == true)
        try isUnharmed()
    }

    @Test func `an ELF that was cut anywhere is refused`() throws {
        let whole = try FileSystem.read(Repository.object("events.bpf.o"))
        for count in stride(from: 100, to: whole.count - 64, by: whole.count / 23) {
            let answer = try put(Array(whole.prefix(count)))
            #expect(answer.status == 422, "\(count) of \(whole.count) bytes: \(answer)")
        }
        try isUnharmed()
    }

    @Test func `300 damaged objects leave the daemon and the kernel as they were`() throws {
        let objects = try ["events", "globals", "hooks"].map {
            try FileSystem.read(Repository.object($0 + ".bpf.o"))
        }
        var statuses: [Int: Int] = [:]
        for seed in 0..<300 {
            var generator = Seeded(state: UInt64(seed))
            let answer = try put(Self.damaged(objects[seed % objects.count], &generator))
            statuses[answer.status, default: 0] += 1
            guard answer.status != 201 else {
                try apiary.curl("DELETE /v1/programs/x").answers(204)
                continue
            }
            #expect((400..<500).contains(answer.status), "seed \(seed): \(answer)")
        }
        #expect(apiary.processIdentifier == processIdentifier)
        #expect(try apiary.pins == [])
        #expect(try apiary.isAtRest)
        try apiary.curl("GET /v1/programs").answers(200, #"{"items":[]}"#)
        // Most bytes matter; not all do.
        #expect((statuses[422] ?? 0) > 30, "\(statuses)")
        #expect((statuses[201] ?? 0) > 30, "\(statuses)")
    }

    @Test func `the verifier's refusal says which function, why, and where in the log`() throws {
        let refused: [(object: String, function: String, word: String)] = [
            ("refused_null", "careless", "invalid mem access 'map_value_or_null'"),
            ("refused_range", "beyond", "unbounded memory access"),
            ("refused_loop", "endless", "infinite loop"),
        ]
        for (object, function, word) in refused {
            let answer = try apiary.curl("PUT /v1/programs/x", file: object + ".bpf.o").answers(
                422, #"{"code":"verifier_refused","function":"\#(function)"}"#)
            let log = answer["/verifier_log"]?.string ?? ""
            #expect(log.contains(word), "\(object): \(log)")
            let detail = answer["/detail"]?.string ?? ""
            #expect(detail.contains(function), "\(detail)")
            #expect(detail.contains(word), "\(detail)")
            let none = try apiary.curl(
                "PUT /v1/programs/x?verifier_log=none", file: object + ".bpf.o"
            ).answers(422, problem: .verifierRefused)
            #expect(none["/verifier_log"] == nil)
        }
        try isUnharmed()
    }

    @Test func `the whole log is there where it is asked for`() throws {
        let brief = try apiary.curl("PUT /v1/programs/x", file: "refused_loop.bpf.o")
        let full = try apiary.curl(
            "PUT /v1/programs/x?verifier_log=full", file: "refused_loop.bpf.o")
        let lengths = [brief, full].map { $0["/verifier_log"]?.string?.utf8.count ?? 0 }
        #expect(lengths[0] > 0)
        #expect(lengths[1] > lengths[0])
        let loaded = try apiary.curl(
            "PUT /v1/programs/y?verifier_log=full", file: "counter.bpf.o"
        ).answers(201)
        #expect(loaded["/functions/0/verifier_log"]?.string?.contains("processed") == true)
    }

    @Test func `what the kernel or the host lacks is told`() throws {
        for (object, word) in [
            ("refused_map", "impossible"), ("refused_field", "apiary_has_no_such_member"),
            ("refused_extern", "apiary_has_no_such_kfunc"), ("unknown_section", "wishful"),
        ] {
            let answer = try apiary.curl("PUT /v1/programs/x", file: object + ".bpf.o")
                .answers(422)
            #expect(answer["/detail"]?.string?.contains(word) == true, "\(answer)")
        }
        try isUnharmed()
    }

    @Test func `a map that wants a pin by name gets none`() throws {
        try apiary.curl("PUT /v1/programs/x", file: "pinned.bpf.o").answers(201)
        #expect(try apiary.pins.count == 1)
        #expect(!FileSystem.exists("/sys/fs/bpf/apiary_test_pinned"))
    }

    /// One to eight changes: a bit, a byte, or an integer of the kind that breaks counts and
    /// offsets.
    private static func damaged(_ whole: [UInt8], _ generator: inout Seeded) -> [UInt8] {
        let tempting: [UInt8] = [0x00, 0x01, 0x7f, 0x80, 0xff]
        var bytes = whole
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
            // A third of the changes go where the tables are: the header and the section headers.
            let inTables = Int.random(in: 0..<3, using: &generator) == 0
            let table = Bool.random(using: &generator) ? 0 : max(0, bytes.count - 1024)
            let place =
                inTables
                ? table + Int.random(in: 0..<min(64, bytes.count), using: &generator)
                : Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            default:
                let value = tempting[Int.random(in: 0..<tempting.count, using: &generator)]
                for index in place..<min(bytes.count, place + 4) { bytes[index] = value }
            }
        }
        return bytes
    }
}
