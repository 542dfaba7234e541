import ControlPlane
import JSON
import TestSupport
import Testing

/// The table of attach kinds and the contract, held against each other both ways.
struct AttachKindTests {
    private let schemas = OpenAPIDocument.contract.root.at("/components/schemas")

    @Test func `the contract lists the kinds of the table, in the same order`() {
        let listed = schemas?["AttachKind"]?["enum"]?.array?.compactMap(\.string)
        #expect(listed == AttachKinds.names)
    }

    @Test func `each kind has one schema, with the members that the table takes`() {
        var seen: [String: Set<String>] = [:]
        for reference in schemas?["Attach"]?["oneOf"]?.array ?? [] {
            let name = reference["$ref"]?.string?.split(separator: "/").last.map(String.init) ?? ""
            let properties = schemas?[name]?["properties"]?.object
            let kind = properties?["kind"]
            let kinds = kind?["enum"]?.array?.compactMap(\.string) ?? [kind?["const"]?.string ?? ""]
            for kind in kinds {
                #expect(seen[kind] == nil, "\(kind) has two schemas")
                seen[kind] = Set(properties?.members.map(\.name) ?? []).subtracting(["kind"])
            }
        }
        #expect(Set(seen.keys) == Set(AttachKinds.names))
        for name in AttachKinds.names {
            #expect(seen[name] == Set(AttachKinds.members(of: name)), "\(name)")
        }
    }

    @Test func `without a kind, the members of all kinds are taken`() {
        let listed = schemas?["AttachBySection"]?["properties"]?.object?.members ?? []
        let members = Set(AttachKinds.names.flatMap { AttachKinds.members(of: $0) })
        #expect(Set(listed.map(\.name)) == members)
    }
}
