import Foundation
import Linux
import Registry
import Testing

/// A damaged registry either opens and can be read, or is refused and left as it is.
struct RegistryMutationTests {
    /// The same mutations in each run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    @Test func `1000 mutations open or are refused, and a refused file is kept`() throws {
        let directory = "/tmp/registry-tests-\(UInt64.random(in: 0...UInt64.max))"
        try FileSystem.makeDirectory(directory)
        // What stays in /tmp is no failure.
        defer { try? FileSystem.removeTree(directory) }
        let sound = try soundFile(directory + "/sound.sqlite")
        var generator = Generator(state: 0x9E37_79B9_7F4A_7C15)
        var (opened, refused) = (0, 0)
        for number in 0..<1000 {
            let path = directory + "/\(number).sqlite"
            let bytes = mutated(sound, number, &generator)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do {
                let registry = try RegistryStore(path: path)
                _ = try registry.picture()
                _ = try registry.revision()
                opened += 1
            } catch {
                #expect(!error.reason.isEmpty)
                #expect(try FileSystem.read(path) == bytes, "mutation \(number): \(error.reason)")
                refused += 1
            }
            for suffix in ["", "-wal", "-shm"] { try FileSystem.unlink(path + suffix) }
        }
        print("fault: a mutated registry | 1000 | \(opened) opened, \(refused) refused and kept")
        #expect(refused > 100)
    }

    private func mutated(_ sound: [UInt8], _ number: Int, _ generator: inout Generator) -> [UInt8] {
        var bytes = sound
        switch number % 5 {
        case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &generator))
        case 1:
            for _ in 0..<Int.random(in: 1...64, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= UInt8.random(
                    in: 1...255, using: &generator)
            }
        case 2:
            let page = Int.random(in: 0..<bytes.count / 4096, using: &generator) * 4096
            for index in page..<min(page + 4096, bytes.count) { bytes[index] = 0 }
        case 3:
            let from = Int.random(in: 0..<bytes.count - 512, using: &generator)
            let to = Int.random(in: 0..<bytes.count - 512, using: &generator)
            for index in 0..<512 { bytes[to + index] = sound[from + index] }
        default:
            // The header.
            bytes[Int.random(in: 0..<100, using: &generator)] = UInt8.random(
                in: 0...255, using: &generator)
        }
        return bytes
    }

    private func soundFile(_ path: String) throws -> [UInt8] {
        do {
            let registry = try RegistryStore(path: path)
            let origin = ChangeOrigin(requestID: "-", actor: "test", action: "fill")
            for number in 0..<40 {
                try registry.change(origin, subject: "programs/p\(number)") { transaction in
                    let digest = "sha256:" + String(repeating: "0", count: 60) + "\(1000 + number)"
                    try transaction.put(
                        ObjectRow(digest: digest, sizeBytes: 10, createdAtNanoseconds: 1))
                    try transaction.put(
                        ProgramRow(
                            name: "p\(number)", digest: digest, sizeBytes: 10, options: "{}",
                            labels: ["a": "b"], state: .active, loadID: "o\(number)",
                            bootID: "boot", report: "{}", loadedAtNanoseconds: 1))
                    try transaction.put(
                        ProbeRow(
                            id: "p\(number).f", program: "p\(number)", function: "f",
                            attach: "{}", enabled: true, labels: [:], state: .active,
                            pin: "l\(number)", bootID: "boot", createdAtNanoseconds: 1))
                }
            }
        }
        // All of it in one file.
        let registry = try RegistryStore(path: path)
        try registry.checkpoint()
        return try FileSystem.read(path)
    }
}
