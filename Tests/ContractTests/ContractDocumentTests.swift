import JSON
import TestSupport
import Testing

/// The contract held against itself: what an OpenAPI linter would say, and our own rules.
struct ContractDocumentTests {
    private let contract = OpenAPIDocument.contract

    /// Every value in the document with its place.
    private func walk(_ visit: (JSONPointer, JSONObject) -> Void) {
        func descend(_ value: JSONValue, _ place: JSONPointer) {
            switch value {
            case .object(let object):
                visit(place, object)
                for member in object { descend(member.value, place.appending(member.name)) }
            case .array(let array):
                for (index, element) in array.enumerated() {
                    descend(element, place.appending(index))
                }
            default: break
            }
        }
        descend(contract.root, .root)
    }

    @Test func `every reference points to something, and every component is used`() {
        var used: Set<String> = []
        walk { place, object in
            guard let reference = object["$ref"]?.string else { return }
            #expect(contract.validator.resolve(reference) != nil, "\(place): \(reference)")
            used.insert(reference)
        }
        for section in contract.root["components"]?.object ?? JSONObject() {
            for member in section.value.object ?? JSONObject() {
                let reference = "#/components/\(section.name)/\(member.name)"
                #expect(used.contains(reference), "nothing uses \(reference)")
            }
        }
    }

    @Test func `every operation has an id of its own, a role, a summary and a tag`() {
        var ids: Set<String> = []
        let tags = contract.root["tags"]?.array?.compactMap { $0["name"]?.string } ?? []
        for operation in contract.operations {
            #expect(operation.id.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil, "\(operation.path)")
            #expect(ids.insert(operation.id).inserted, "\(operation.id) twice")
            let isRole = ["none", "metrics", "read", "operate", "admin"]
                .contains(operation.role)
            #expect(isRole, "\(operation.id)")
            let path = operation.path.replacing("~", with: "~0").replacing("/", with: "~1")
            let document = contract.root.at("/paths/\(path)/\(operation.method.lowercased())")
            #expect(document?["summary"]?.string?.isEmpty == false, "\(operation.id)")
            let tag = document?.at("/tags/0")?.string ?? ""
            #expect(tags.contains(tag), "\(operation.id): \(tag)")
        }
        #expect(ids.count >= 44)
    }

    @Test func `changes want operate or admin, and can be rehearsed`() {
        for operation in contract.operations {
            // A ticket is no change: it only repeats what its maker may do.
            if operation.method != "GET" && operation.id != "post_stream_ticket" {
                #expect(["operate", "admin"].contains(operation.role), "\(operation.id)")
                #expect(operation.queryParameters.contains("dry_run"), "\(operation.id)")
            }
        }
    }

    @Test func `an operation's own problems are exactly the statuses it answers with`() {
        let common = Set(
            contract.root["x-common-problems"]?.array?.compactMap(\.string) ?? [])
        for operation in contract.operations {
            let path = operation.path.replacing("/", with: "~1")
            let document = contract.root.at("/paths/\(path)/\(operation.method.lowercased())")
            let own = document?["x-problems"]?.array?.compactMap(\.string) ?? []
            for code in own + common {
                #expect(contract.problemStatuses[code] != nil, "\(operation.id): \(code)")
            }
            let statuses = Set(own.compactMap { contract.problemStatuses[$0] })
            let answered = Set(operation.responses.keys.compactMap { Int($0) }.filter { $0 >= 400 })
            #expect(statuses == answered, "\(operation.id)")
            #expect(operation.responses["default"] != nil, "\(operation.id)")
        }
    }

    @Test func `path parameters are declared, and only they`() {
        for path in contract.root["paths"]?.object ?? JSONObject() {
            let declared = (path.value["parameters"]?.array ?? []).map { parameter in
                parameter["$ref"]?.string.flatMap(contract.validator.resolve) ?? parameter
            }
            let names = declared.filter { $0["in"] == "path" }.compactMap { $0["name"]?.string }
            let template = path.name.matches(of: /\{([a-z]+)\}/).map { String($0.output.1) }
            #expect(Set(names) == Set(template), "\(path.name)")
            #expect(declared.contains { $0["name"] == "X-Request-Id" }, "\(path.name)")
        }
    }

    @Test func `every object schema of ours says what further members it takes`() {
        walk { place, object in
            let text = place.description
            guard text.hasPrefix("/components/schemas/"), !text.contains("/example") else { return }
            guard object["type"] == "object" || object["type"]?.array?.contains("object") == true
            else { return }
            let isClosed = object["additionalProperties"] != nil || object["maxProperties"] == 0
            #expect(isClosed, "\(place)")
            for name in object["required"]?.array?.compactMap(\.string) ?? [] {
                #expect(object["properties"]?[name] != nil, "\(place) requires \(name)")
            }
        }
    }

    @Test func `every example fits its schema, and every schema is one the validator knows`() {
        walk { place, object in
            guard place.description.hasPrefix("/components/schemas/"),
                let example = object["example"]
            else { return }
            let schema = contract.root.at(place.description) ?? false
            let found = contract.validator.violations(of: example, against: schema)
            #expect(found.isEmpty, "\(place): \(found)")
        }
    }
}
