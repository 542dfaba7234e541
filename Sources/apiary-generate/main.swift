// Writes what is generated from hand-written files: openapi/apiary.json from openapi/apiary.yaml.
// Usage: apiary-generate YAML JSON
internal import Foundation

func complain(_ text: String) -> Never {
    FileHandle.standardError.write(Data("apiary-generate: \(text)\n".utf8))
    exit(1)
}

guard CommandLine.arguments.count == 3 else { complain("usage: apiary-generate YAML JSON") }
do {
    let yaml = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
    let json = try contractJSON(fromYAML: yaml)
    try json.write(toFile: CommandLine.arguments[2], atomically: true, encoding: .utf8)
} catch {
    complain("\(error)")
}
