import JSON
import TestSupport
import Testing

/// A daemon with the program `m`, which has a map of each type.
func mapsDaemon() throws -> TestDaemon {
    let apiary = try TestDaemon()
    try apiary.curl("PUT /v1/programs/m", file: "maptypes.bpf.o").answers(201)
    return apiary
}

extension Answer {
    /// The lines of a body of NDJSON.
    var lines: [JSONValue] {
        get throws { try text.split(separator: "\n").map { try JSONValue.parse(String($0)) } }
    }
}
