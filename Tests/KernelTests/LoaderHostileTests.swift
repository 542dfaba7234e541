import Linux
import Loading
import Testing

/// Bytes that are no good object: each is a failure or, where the damage did not matter, a success,
/// and the process that asked for the load lives on.
@Suite struct LoaderHostileTests {
    private let volume: PrivateBPFFS

    init() throws { volume = try PrivateBPFFS() }

    /// - Returns: the failure, `nil` where the bytes were good enough.
    private func load(_ bytes: [UInt8]) throws -> LoadFailure? {
        let object = try MemoryFile("hostile", holding: bytes.span)
        var loader = LoaderRig.loader
        loader.limits.deadlineMilliseconds = 20_000
        let report: LoadReport
        do throws(LoadFailure) {
            report = try loader.load(object, volume.request())
        } catch {
            #expect(try volume.names() == [])
            #expect(!error.message.isEmpty)
            return error
        }
        #expect(try volume.names().count == report.functions.count + report.maps.count)
        try volume.clear()
        return nil
    }

    @Test func `an ELF that was cut anywhere is refused`() throws {
        let whole = try LoaderRig.bytes("events")
        let step = max(1, whole.count / 97)
        for count in stride(from: 0, to: whole.count - 64, by: step) {
            let failure = try load(Array(whole.prefix(count)))
            #expect(failure != nil, "\(count) of \(whole.count) bytes")
        }
    }

    @Test func `what is no BPF object is said to be none`() throws {
        let empty = try #require(try load([]))
        #expect(empty.stage == .elf)
        #expect(empty.message.contains("empty"))
        let text = try #require(try load(Array("#!/bin/sh\necho hello\n".utf8)))
        #expect(text.stage == .elf)
        #expect(text.message.contains("not ELF"))
        let program = try #require(try load(FileSystem.read("/bin/true")))
        #expect(program.stage == .elf)
        #expect(program.message.contains("clang -target bpf"))
        let zeros = try #require(try load([UInt8](repeating: 0, count: 1 << 20)))
        #expect(zeros.stage == .elf)
    }

    @Test func `300 damaged objects harm nobody`() throws {
        let names = ["events", "globals", "tpbtf"]
        let objects = try names.map(LoaderRig.bytes)
        var failures = 0
        for seed in 0..<300 {
            var generator = SeededGenerator(seed: UInt64(seed))
            let whole = objects[seed % objects.count]
            if try load(Self.damage(whole, &generator)) != nil { failures += 1 }
        }
        // Most bytes matter; not all do.
        #expect(failures > 30)
        #expect(failures < 300)
    }

    /// One to eight changes: a bit, a byte, or an integer of the kind that breaks counts and offsets.
    private static func damage(_ whole: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
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
