import JSON
import Linux
import TestSupport
import Testing

/// A daemon with the program `m`, which has a map of each type.
func mapsDaemon() throws -> TestDaemon {
    let apiary = try TestDaemon()
    try apiary.curl("PUT /v1/programs/m", file: "maptypes.bpf.o").answers(201)
    return apiary
}

extension TestDaemon {
    /// A body too large for an argument, as `@path`.
    func body(_ text: String) throws -> String {
        let path = directory + "/body"
        let bytes = Array(text.utf8)
        try FileSystem.replace(path, with: bytes.span)
        return "@" + path
    }
}

extension Answer {
    /// The lines of a body of NDJSON.
    var lines: [JSONValue] {
        get throws { try text.split(separator: "\n").map { try JSONValue.parse(String($0)) } }
    }
}
