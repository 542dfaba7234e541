import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct IteratorTests {
    @Test(.needs("iter")) func `an iterator's output is a walk over what is there now`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/i", file: "iterators.bpf.o").answers(201)
        try apiary.curl("POST /v1/probes", json: #"{"program":"i","function":"each_map"}"#)
            .answers(201, #"{"attach":{"kind":"iter","target":"bpf_map"},"link":{"type":"iter"}}"#)
        let maps = try apiary.curl("GET /v1/probes/i.each_map/output").answers(200)
        #expect(maps.mediaType == "text/plain")
        #expect(maps.text.hasPrefix("map 0\nmap 1\n"))
        try apiary.curl(
            "POST /v1/probes",
            json:
                #"{"program":"i","function":"each_entry","attach":{"kind":"iter","map":"numbers"}}"#
        ).answers(201)
        try apiary.curl("PUT /v1/maps/i/numbers/entries/2", json: #"{"value":77}"#).answers(200)
        let entries = try apiary.curl("GET /v1/probes/i.each_entry/output").answers(200)
        #expect(entries.text == "0=0\n1=0\n2=77\n3=0\n")
        try apiary.restart()
        #expect(try apiary.curl("GET /v1/probes/i.each_entry/output").text == entries.text)
    }

    @Test(.needs("iter")) func `an output that is not there is refused`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/i", file: "iterators.bpf.o").answers(201)
        try apiary.curl("GET /v1/probes/nobody/output").answers(404, problem: .notFound)
        try apiary.curl(
            "PUT /v1/probes/off", json: #"{"program":"i","function":"each_map","enabled":false}"#
        ).answers(201)
        try apiary.curl("GET /v1/probes/off/output").answers(409, problem: .conflict)
        try apiary.curl("POST /v1/probes", json: #"{"program":"i","function":"each_entry"}"#)
            .answers(422, #"{"code":"attach_refused","pointer":"/attach/map"}"#)
        try apiary.curl(
            "POST /v1/probes",
            json: #"{"program":"i","function":"each_map","attach":{"kind":"iter","target":"task"}}"#
        ).answers(422, #"{"code":"wrong_kind","pointer":"/attach/target"}"#)
    }
}
