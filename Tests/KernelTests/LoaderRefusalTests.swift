import JSON
import Linux
import Loading
import Testing

@Suite struct LoaderRefusalTests {
    private let volume: PrivateBPFFS

    init() throws { volume = try PrivateBPFFS() }

    /// Loads what must be refused, and holds the pin directory to be empty afterwards.
    private func refusal(_ name: String, _ change: (inout LoadRequest) -> Void = { _ in }) throws
        -> LoadFailure
    {
        let object = try LoaderRig.object(name)
        let failure = try #require(throws: LoadFailure.self) {
            try LoaderRig.loader.load(object, volume.request(change))
        }
        #expect(try volume.names() == [])
        #expect(failure.message.first?.isLowercase == true || failure.message.hasPrefix("/"))
        return failure
    }

    @Test(arguments: [
        ("refused_loop", "endless", "infinite loop detected"),
        ("refused_null", "careless", "map_value_or_null"),
        ("refused_range", "beyond", "unbounded memory access"),
    ])
    func `the verifier's last useful line and the function are told`(
        name: String, function: String, words: String
    ) throws {
        let failure = try refusal(name)
        #expect(failure.stage == .verifier)
        #expect(failure.function == function)
        #expect(failure.message.contains("\"\(function)\""))
        #expect(failure.message.contains(words), "\(failure.message)")
        #expect(failure.errno != nil)
        #expect(try #require(failure.verifierLog).contains("processed "))
    }

    @Test func `a log that is not wanted is not sent`() throws {
        let failure = try refusal("refused_null") { $0.verifierLog = .none }
        #expect(failure.stage == .verifier)
        #expect(failure.verifierLog == nil)
        #expect(failure.message.contains("map_value_or_null"))
    }

    @Test func `a member that no kernel has is a failed relocation`() throws {
        let failure = try refusal("refused_field")
        #expect(failure.stage == .relocation)
        #expect(failure.function == "wishful")
        #expect(failure.message.contains("apiary_has_no_such_member"), "\(failure.message)")
    }

    @Test func `an extern that nothing resolves is a failed relocation`() throws {
        let failure = try refusal("refused_extern")
        #expect(failure.stage == .relocation)
        #expect(failure.message.contains("apiary_has_no_such_kfunc"), "\(failure.message)")
    }

    @Test func `a map that the kernel does not create is named`() throws {
        let failure = try refusal("refused_map")
        #expect(failure.stage == .map)
        #expect(failure.errno == .einval)
        #expect(failure.message.contains("impossible"))
    }

    @Test func `too many entries for a map are the map's failure`() throws {
        let failure = try refusal("counter") { $0.maxEntries = ["totals": .max] }
        #expect(failure.stage == .map)
        #expect(failure.message.contains("totals"))
        #expect(failure.errno == .e2big || failure.errno == .enomem)
    }

    @Test func `a section name of no kind is refused with a name that is one`() throws {
        let failure = try refusal("unknown_section")
        #expect(failure.stage == .elf)
        #expect(failure.function == "lost")
        #expect(failure.message.contains("wishful/thinking"))
        #expect(failure.message.contains("SEC(\"tracepoint/"))
    }

    @Test func `a tracing function without a target says so`() throws {
        let failure = try refusal("sections") { $0.onlyFunctions = ["without_target"] }
        #expect(failure.stage == .relocation)
        #expect(failure.function == "without_target")
    }

    @Test func `an unknown global has a pointer and near names`() throws {
        let failure = try refusal("globals") { $0.globals["target_pdi"] = 1 }
        #expect(failure.stage == .global)
        #expect(failure.pointer == "/globals/target_pdi")
        #expect(failure.message.contains("\"target_pid\""))
    }

    @Test func `a global out of its type's range has a pointer to the place`() throws {
        let failure = try refusal("globals") { $0.globals["small"] = 256 }
        #expect(failure.stage == .global)
        #expect(failure.pointer == "/globals/small")
        let inside = try refusal("globals") { $0.globals["limits"] = ["least": -1] }
        #expect(inside.pointer == "/globals/limits/least")
    }

    @Test func `options that name what the object lacks are the request's failure`() throws {
        let functions = try refusal("counter") { $0.onlyFunctions = ["cuont"] }
        #expect(functions.stage == .request)
        #expect(functions.pointer == "/functions/0")
        #expect(functions.message.contains("\"count\""))
        let entries = try refusal("counter") { $0.maxEntries = ["caller": 1] }
        #expect(entries.stage == .request)
        #expect(entries.pointer == "/max_entries/caller")
        let target = try refusal("counter") { $0.targets = ["count": "sys_enter"] }
        #expect(target.stage == .request)
        #expect(target.pointer == "/targets/count")
        let missing = try refusal("tpbtf") { $0.targets = ["count": "apiary_no_such_hook"] }
        #expect(missing.stage == .request)
        #expect(missing.message.contains("apiary_no_such_hook"))
    }

    @Test func `a pinned map of another shape is not reused`() throws {
        let report = try LoaderRig.loader.load(LoaderRig.object("counter"), volume.request())
        let map = try #require(report.maps.first { $0.name == "totals" }?.pin)
        let program = try #require(report.functions.first?.pin)
        let kept = volume.path + "/kept"
        let keptProgram = volume.path + "/program"
        try FileSystem.rename("\(volume.pins)/\(map)", to: kept)
        try FileSystem.rename("\(volume.pins)/\(program)", to: keptProgram)
        try volume.clear()
        let shape = try refusal("counter") { $0.reusedMaps = ["callers": kept] }
        #expect(shape.stage == .map)
        #expect(shape.map == "callers")
        #expect(shape.pointer == "/reused_maps/callers")
        #expect(shape.message.contains("it is a array, the object's a "), "\(shape.message)")
        let kind = try refusal("counter") { $0.reusedMaps = ["callers": keptProgram] }
        #expect(kind.message.hasSuffix("is not a map"))
        let nothing = try refusal("counter") { $0.reusedMaps = ["callers": kept + "2"] }
        #expect(nothing.errno == .enoent)
    }

    @Test func `a pin directory that is no bpffs is a failure to pin`() throws {
        let object = try LoaderRig.object("counter")
        let failure = try #require(throws: LoadFailure.self) {
            try LoaderRig.loader.load(object, volume.request { $0.pinDirectory = "/tmp" })
        }
        #expect(failure.stage == .pin)
        #expect(!FileSystem.exists("/tmp/p0"))
    }

    @Test func `a pin that is there already fails the load and the pins before it go`() throws {
        let object = try LoaderRig.object("counter")
        try FileSystem.makeDirectory(volume.pins + "/m2")
        let failure = try #require(throws: LoadFailure.self) {
            try LoaderRig.loader.load(object, volume.request())
        }
        #expect(failure.stage == .pin)
        #expect(failure.errno == .eexist)
        #expect(try volume.names() == ["m2"])
        try FileSystem.removeDirectory(volume.pins + "/m2")
    }
}
