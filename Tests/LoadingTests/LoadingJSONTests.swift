import JSON
import Linux
import Loading
import Testing

@Suite struct LoadingJSONTests {
    private let report = LoadReport(
        license: "GPL",
        functions: [
            LoadReport.Function(
                name: "count", section: "tp_btf/sys_enter", type: "tracing",
                expectedAttachType: 23, target: "sys_enter", isSleepable: true, instructions: 12,
                pin: "p0", verifierLog: "processed 12 insns"),
            LoadReport.Function(
                name: "other", section: "xdp", type: "xdp", expectedAttachType: 37,
                instructions: 2),
        ],
        maps: [
            LoadReport.Map(name: "counts", type: 1, pin: "m0"),
            LoadReport.Map(name: ".rodata", type: 2, isInternal: true),
        ],
        globals: [
            LoadReport.Global(
                name: "pid", section: ".rodata", type: "__u32", offset: 8, size: 4)
        ],
        eventTypes: [
            LoadReport.EventType(map: "calls", type: "call_event", source: .declared)
        ],
        libbpfVersion: "v1.4")

    private func again(_ json: JSONValue) throws -> JSONValue {
        let text = json.serialized()
        return try JSONValue.parse(text.span)
    }

    @Test func `a report survives its JSON`() throws {
        #expect(LoadReport(json: try again(report.json)) == report)
    }

    @Test func `a report with a part missing is none`() throws {
        for member in try #require(report.json.object) {
            var object = try #require(report.json.object)
            object[member.name] = nil
            #expect(LoadReport(json: .object(object)) == nil, "without \(member.name)")
        }
        var object = try #require(report.json.object)
        object["functions"] = [["name": "count"]]
        #expect(LoadReport(json: .object(object)) == nil)
    }

    @Test func `a report of a newer daemon is read as far as it is known`() throws {
        var object = try #require(report.json.object)
        object["new_member"] = 1
        #expect(LoadReport(json: .object(object)) == report)
    }

    @Test func `a request survives its JSON`() throws {
        var request = LoadRequest()
        #expect(LoadRequest(json: try again(request.json)) == request)
        request.pinDirectory = "/sys/fs/bpf/apiary/x"
        request.globals["pid"] = 7
        request.globals["label"] = ["a": [1, 2]]
        request.onlyFunctions = ["count"]
        request.targets = ["count": "sys_enter"]
        request.maxEntries = ["counts": .max]
        request.reusedMaps = ["counts": "/sys/fs/bpf/apiary/m"]
        request.verifierLog = .full
        #expect(LoadRequest(json: try again(request.json)) == request)
    }

    @Test func `a request with an unknown member or a wrong value is none`() {
        #expect(LoadRequest(json: ["pins": "x"]) == nil)
        #expect(LoadRequest(json: ["max_entries": ["counts": 4_294_967_296]]) == nil)
        #expect(LoadRequest(json: ["verifier_log": "loud"]) == nil)
        #expect(LoadRequest(json: ["functions": [1]]) == nil)
        #expect(LoadRequest(json: []) == nil)
    }

    @Test func `a failure survives its JSON`() throws {
        let short = LoadFailure(.elf, "the file is empty")
        #expect(LoadFailure(json: try again(short.json)) == short)
        let long = LoadFailure(
            .verifier, "R0 invalid", errno: .eacces, function: "count", verifierLog: "a\nb",
            libbpfLog: "c", pointer: "/globals/a~1b")
        #expect(LoadFailure(json: try again(long.json)) == long)
    }

    @Test func `tasks and answers survive their JSON`() throws {
        var limits = LoaderLimits()
        limits.cpuSeconds = 3
        for work in [LoaderTask.Work.load(LoadRequest()), .symbols(["malloc", "free"])] {
            let task = LoaderTask(work, limits: limits)
            let read = try #require(LoaderTask(json: try again(task.json)))
            #expect(read.work == work)
            #expect(read.limits.cpuSeconds == 3)
        }
        let answers: [LoaderAnswer] = [
            .report(report), .offsets([0, .max]), .failure(LoadFailure(.pin, "x")),
        ]
        for answer in answers { #expect(LoaderAnswer(json: try again(answer.json)) == answer) }
        #expect(LoaderAnswer(json: ["offsets": [-1]]) == nil)
    }

    @Test func `a task of another version is none`() throws {
        var object = try #require(LoaderTask(.symbols([]), limits: LoaderLimits()).json.object)
        object["version"] = 1
        #expect(LoaderTask(json: .object(object)) == nil)
    }
}
