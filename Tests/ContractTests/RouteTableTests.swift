import JSON
import TestSupport
import Testing

@testable import API

/// The route table and the contract, held against each other both ways.
struct RouteTableTests {
    private let contract = OpenAPIDocument.contract

    @Test func `the contract and the table have the same operations, in the same order`() {
        let inContract = contract.operations.map { "\($0.method) \($0.path) \($0.id)" }
        let inTable = routes.map { "\($0.method.rawValue) \($0.template) \($0.operation)" }
        #expect(Set(inContract) == Set(inTable))
        #expect(inTable.count == Set(inTable).count)
        // Within a path the order of methods is free.
        func paths(_ all: [String]) -> [String] {
            var seen: Set<String> = []
            return all.filter { seen.insert($0).inserted }
        }
        #expect(paths(contract.operations.map(\.path)) == paths(routes.map(\.template)))
    }

    @Test func `each operation has the same role in the contract and in the table`() {
        for route in routes {
            let operation = contract.operation(id: route.operation)
            #expect(operation?.role == route.role.rawValue, "\(route.operation)")
        }
    }

    @Test func `each operation takes the query parameters of the contract, no other`() {
        for route in routes {
            let operation = contract.operation(id: route.operation)
            #expect(operation?.queryParameters == route.parameters, "\(route.operation)")
        }
    }

    @Test func `each body has the limit that the contract says`() {
        for route in routes {
            let path = route.template.replacing("/", with: "~1")
            let content = contract.root.at(
                "/paths/\(path)/\(route.method.rawValue.lowercased())/requestBody/content")
            func limit(_ type: String) -> Int? { content?[type]?["x-limit-bytes"]?.int }
            switch route.body {
            case .none: #expect(content == nil, "\(route.operation)")
            case .nothing:
                #expect(limit("application/json") == Call.nothingLimit, "\(route.operation)")
            case .json(let bytes), .optionalJSON(let bytes):
                #expect(limit("application/json") == bytes, "\(route.operation)")
            case .jsonLines(let bytes):
                #expect(limit("application/json") == bytes, "\(route.operation)")
                #expect(limit("application/x-ndjson") == bytes, "\(route.operation)")
            case .manifest(let bytes, let yamlBytes):
                #expect(limit("application/json") == bytes, "\(route.operation)")
                #expect(limit("application/yaml") == yamlBytes, "\(route.operation)")
            case .object(let bytes, let jsonBytes):
                #expect(limit("application/octet-stream") == bytes, "\(route.operation)")
                #expect(limit("application/json") == jsonBytes, "\(route.operation)")
            }
        }
    }

    @Test func `health and readiness answer before the daemon is ready`() {
        let early = routes.filter { !$0.needsReady }.map(\.operation)
        #expect(early.contains("get_health"))
        #expect(early.contains("get_ready"))
        let changes = routes.filter { $0.method != .get }
        #expect(changes.filter { !$0.needsReady }.map(\.operation) == [])
    }
}
