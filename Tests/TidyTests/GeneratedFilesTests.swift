import Linux
import TestSupport
import Testing

@testable import apiary_generate

struct GeneratedFilesTests {
    @Test func `openapi/apiary.json is what the YAML gives: else run make generate`() throws {
        let yaml = try Repository.text("openapi/apiary.yaml")
        let isFresh = try contractJSON(fromYAML: yaml) == Repository.text("openapi/apiary.json")
        #expect(isFresh)
    }

    @Test func `YAML that could be read in two ways is refused`() {
        for yaml in ["a: 0.5", "a: yes", "a: ~", "a: 1e3", "a: .nan", "a: 0x10", "{b: 1, b: 2}"] {
            #expect(throws: (any Error).self, "\(yaml)") { try contractJSON(fromYAML: yaml) }
        }
    }

    @Test func `scalars, order and merged members become the JSON that they say`() throws {
        let yaml = """
            b: &b {x: 1, y: 'two', z: null}
            a: {<<: *b, w: "1"}
            text: "a\\"b\\n\\u0001é"
            list: [true, -7, v1.2.3, 0c10]
            """
        let json =
            #"{"b":{"x":1,"y":"two","z":null},"a":{"x":1,"y":"two","z":null,"w":"1"},"#
            + #""text":"a\"b\n\u0001é","list":[true,-7,"v1.2.3","0c10"]}"# + "\n"
        #expect(try contractJSON(fromYAML: yaml) == json)
    }

    /// A migration that was released is history: databases in the field have run it.
    @Test func `migrations are as migrations/SHA256SUMS has them, and none is left out`() throws {
        let listed = try Repository.text("migrations/SHA256SUMS").split(separator: "\n")
            .compactMap { $0.split(separator: " ").last.map(String.init) }
        let present = Repository.files(below: "migrations").filter { $0.hasSuffix(".sql") }
            .map { String($0.dropFirst("migrations/".count)) }
        #expect(listed == present)
        let exit = try Child.run(
            "/bin/sh",
            arguments: [
                "-c", "cd \"$0\" && sha256sum --check --quiet SHA256SUMS 2>&1",
                Repository.root + "/migrations",
            ],
            environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 10_000, outputLimit: 65536)
        let isUnchanged = exit.reason == .exited(0)
        #expect(isUnchanged, "\(String(decoding: exit.output, as: UTF8.self))")
    }

    @Test func `migrations are numbered without a gap`() {
        let names = Repository.files(below: "migrations").filter { $0.hasSuffix(".sql") }
        for (index, name) in names.enumerated() {
            let number = String(index + 1)
            let prefix = "migrations/v" + String(repeating: "0", count: 4 - number.count) + number
            #expect(name.hasPrefix(prefix + "_"), "\(name)")
        }
    }
}
