import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// Structs that nobody has thought of, through clang, the kernel, the API and bpftool.
@Suite(.requiresRoot) struct MapAgreementTests {
    private static let mapsOfEach = 6
    private static let valuesOfEach = 8

    @Test(arguments: 1...6)
    func `values of generated types come back, and bpftool shows the same`(_ seed: UInt64) throws {
        let apiary = try TestDaemon()
        var types = CTypes(seed: seed)
        let made = (0..<Self.mapsOfEach).map { _ in types.structure(depth: 3) }
        let object = try compile(types.declarations, made.map(\.name), in: apiary.directory)
        let loaded = try apiary.curl("PUT /v1/programs/p", file: object).answers(201)
        for (number, type) in made.enumerated() {
            let map = loaded["/maps"]?.array?.first { $0["name"]?.string == "map\(number)" }
            let id = try #require(map?["kernel_id"]?.int)
            var given: [JSONValue] = []
            for key in 0..<Self.valuesOfEach {
                let value = types.value(type.shape)
                given.append(value)
                let path = "/v1/maps/p/map\(number)/entries/\(key)"
                let json = JSONValue.object(
                    ["value": value].reduce(into: JSONObject()) {
                        $0[$1.key] = $1.value
                    })
                let body = String(decoding: json.serialized(), as: UTF8.self)
                let put = try apiary.curl("PUT \(path)", json: try apiary.body(body)).answers(201)
                #expect(contains(try #require(put["/value"]), value), "\(type.name): \(value)")
            }
            try compare(apiary, map: number, id: id, type.shape, given)
        }
    }

    private func compare(
        _ apiary: TestDaemon, map: Int, id: Int, _ shape: CTypes.Shape, _ given: [JSONValue]
    ) throws {
        let theirs = try #require(try Machine.bpftool("map", "dump", "id", "\(id)")?.array)
        let path = "GET /v1/maps/p/map\(map)/entries"
        let ours = try apiary.curl("\(path)?format=ndjson").lines.dropLast()
        let bytes = try apiary.curl("\(path)?format=ndjson&encoding=hex").lines.dropLast()
        #expect(ours.count == given.count && theirs.count == given.count)
        for (typed, raw) in zip(ours, bytes) {
            let key = try #require(typed["key"]?.int)
            let shown = try #require(typed["value"])
            #expect(contains(shown, given[key]))
            let entry = try #require(theirs.first { $0["formatted"]?["key"]?.int == key })
            let memory = entry["value"]?.array?.compactMap { $0.string?.dropFirst(2) }.joined()
            #expect(raw["value"]?.string == "hex:" + (memory ?? ""))
            let value = entry["formatted"]?["value"] ?? .null
            let difference = Bpftool.difference(shape, shown, value)
            #expect(difference == nil, "\(shown)\n\(value)")
        }
    }

    /// Whether what was given is shown again; a union shows its other members too.
    private func contains(_ shown: JSONValue, _ given: JSONValue) -> Bool {
        switch (shown, given) {
        case (.object(let shown), .object(let given)):
            given.allSatisfy { member in
                shown[member.name].map { contains($0, member.value) } ?? false
            }
        case (.array(let shown), .array(let given)):
            shown.count == given.count && zip(shown, given).allSatisfy { contains($0, $1) }
        default: shown == given
        }
    }

    private func compile(_ declarations: String, _ names: [String], in directory: String) throws
        -> String
    {
        var text = """
            #include <linux/bpf.h>
            #include <linux/types.h>
            #include <bpf/bpf_helpers.h>
            char LICENSE[] SEC("license") = "GPL";
            \(declarations)
            """
        for (number, name) in names.enumerated() {
            text += """

                struct {
                    __uint(type, BPF_MAP_TYPE_HASH);
                    __uint(max_entries, 64);
                    __type(key, __u32);
                    __type(value, struct \(name));
                } map\(number) SEC(".maps");
                """
        }
        text += "\nSEC(\"raw_tracepoint/sched_switch\") int nothing(void *context) { return 0; }\n"
        let (source, object) = (directory + "/types.bpf.c", directory + "/types.bpf.o")
        let bytes = Array(text.utf8)
        try FileSystem.replace(source, with: bytes.span)
        try Machine.run(
            try Machine.clang(), "-O2", "-g", "-target", "bpf", "-mcpu=v2",
            "-I/usr/include/\(try Machine.run("uname", "-m").split(separator: "\n")[0])-linux-gnu",
            "-c", source, "-o", object)
        return object
    }
}
