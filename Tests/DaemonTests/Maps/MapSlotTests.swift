import JSON
import Linux
import TestSupport
import Testing

/// Values that name functions: the slots of a cpumap and a devmap, and the places of a prog array.
@Suite(.requiresRoot) struct MapSlotTests {
    private let apiary: TestDaemon

    init() throws {
        apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/s", file: "slots.bpf.o").answers(201)
    }

    private func put(_ place: String, _ value: String) throws -> Answer {
        try apiary.curl("PUT /v1/maps/s/\(place)", json: #"{"value":\#(value)}"#)
    }

    @Test func `a slot is shown as it is written, and what is shown can be written`() throws {
        for (place, value) in [
            ("cpus/entries/0", #"{"qsize":64}"#),
            ("cpus/entries/0", #"{"qsize":192,"function":"on_cpu"}"#),
            ("devices/entries/2", #"{"ifindex":1}"#),
            ("devices/entries/2", #"{"ifindex":1,"function":"on_device"}"#),
        ] {
            let written = try put(place, value)
            #expect([200, 201].contains(written.status), "\(written)")
            written.answers(written.status, #"{"value":\#(value)}"#)
            try apiary.curl("GET /v1/maps/s/\(place)").answers(200, #"{"value":\#(value)}"#)
        }
        try put("devices/entries/3", #"{"interface":"lo","function":null}"#)
            .answers(201, #"{"value":{"ifindex":1}}"#)
        // What is shown, with the kernel's id of the function, can be sent as it is.
        let shown = try apiary.curl("GET /v1/maps/s/devices/entries/2")["/value"]
        #expect((shown?["bpf_prog"]?["id"]?.int ?? 0) > 0)
        try put("devices/entries/2", shown?.compact ?? "").answers(200, #"{"changed":false}"#)
        try put(
            "devices/entries/2", #"{"ifindex":1,"bpf_prog":\#(shown?["bpf_prog"]?.compact ?? "")}"#
        )
        .answers(200, #"{"changed":false,"value":{"function":"on_device"}}"#)
        try put("cpus/entries/0", "32").answers(200, #"{"value":{"qsize":32}}"#)
        try put("cpus/entries/0", #""hex:1000000000000000""#)
            .answers(200, #"{"value":{"qsize":16}}"#)
        try apiary.curl("GET /v1/maps/s/cpus/entries/0?encoding=hex")
            .answers(200, #"{"value":"hex:1000000000000000"}"#)
    }

    @Test func `bytes of a slot are as they are shown: no descriptor of the daemon's`() throws {
        try put("devices/entries/1", #"{"ifindex":1,"function":"on_device"}"#).answers(201)
        let hex = try apiary.curl("GET /v1/maps/s/devices/entries/1?encoding=hex")["/value"]
        try put("devices/entries/1", hex?.compact ?? "")
            .answers(200, #"{"changed":false,"value":{"function":"on_device"}}"#)
        // A number that could only be a descriptor: the kernel gives so small an id once, at boot.
        let process = apiary.processIdentifier ?? 0
        let descriptors = try FileSystem.list("/proc/\(process)/fd").compactMap { Int($0) }
        let known = Set(
            (try apiary.curl("GET /v1/kernel/programs?limit=1000")["/items"]?.array ?? [])
                .compactMap { $0["id"]?.int })
        for descriptor in descriptors.prefix(100) where descriptor > 0 && descriptor < 256 {
            guard !known.contains(descriptor) else { continue }
            let digits = String(descriptor, radix: 16)
            let byte = digits.count == 1 ? "0" + digits : digits
            let refusal = try put("devices/entries/2", "\"hex:01000000\(byte)000000\"")
                .answers(422, problem: .invalidValue)
            #expect(refusal["/detail"]?.string?.contains("which has none \(descriptor)") == true)
        }
    }

    @Test(arguments: [
        ("cpus", #"{"size":64}"#, Optional("/value/size")),
        ("cpus", #"{"function":"on_cpu"}"#, "/value"),
        ("cpus", #"{"qsize":-1}"#, "/value"), ("cpus", "true", "/value"),
        ("cpus", #"{"qsize":64,"function":"on_cpus"}"#, "/value/function"),
        ("cpus", #"{"qsize":64,"function":7}"#, "/value/function"),
        ("cpus", #"{"qsize":64,"function":"first"}"#, "/value/function"),
        ("cpus", #"{"qsize":0}"#, "/value"), ("cpus", #"{"qsize":16385}"#, nil),
        ("devices", #"{"ifindex":1,"function":"on_cpu"}"#, "/value/function"),
        ("devices", #"{"ifindex":2147483646}"#, nil),
        ("devices", #"{"interface":"nothere0"}"#, "/value/interface"),
    ]) func `a slot that the kernel would not take is told with its place`(
        map: String, value: String, pointer: String?
    ) throws {
        let refusal = try put("\(map)/entries/0", value).answers(422)
        #expect(refusal["/code"] == "invalid_value", "\(refusal)")
        #expect(refusal["/pointer"]?.string == pointer, "\(refusal)")
    }

    @Test func `a prog array says why a function of another type cannot be in it`() throws {
        try put("calls/entries/1", #""second""#).answers(201, #"{"value":{"function":"second"}}"#)
        let refusal = try put("calls/entries/2", #"{"function":"of_another_type"}"#)
            .answers(422, #"{"code":"unsupported_map_operation","errno":"EINVAL"}"#)
        #expect(refusal["/detail"]?.string?.contains("of another type") == true)
        let near = try put("calls/entries/2", #""secnd""#).answers(422, problem: .invalidValue)
        #expect(near["/detail"]?.string?.contains("second") == true)
    }
}
