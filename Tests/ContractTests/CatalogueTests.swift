import JSON
import Problems
import TestSupport
import Testing

struct CatalogueTests {
    private let contract = OpenAPIDocument.contract

    @Test func `the contract and the code have the same problems, in the same order`() {
        let codes = contract.root.at("/components/schemas/ProblemCode/enum")?.array
        #expect(codes?.compactMap(\.string) == ProblemType.all.map(\.code))
    }

    @Test func `each problem has the same status in the contract and in the code`() {
        let statuses = Dictionary(
            uniqueKeysWithValues: ProblemType.all.map { ($0.code, $0.status) })
        #expect(contract.problemStatuses == statuses)
    }

    @Test func `docs/problems.md has a row for each problem, in the same order`() throws {
        let rows = try Repository.text("docs/problems.md").split(separator: "\n")
            .filter { $0.hasPrefix("| `") }.map(String.init)
        let wanted = ProblemType.all.map { problem in
            "| `\(problem.code)` | \(problem.status) | \(problem.title) | \(problem.advice) | "
                + "\(problem.retryable ? "yes" : "no") |"
        }
        #expect(rows == wanted)
    }

    @Test func `a problem's texts are sentences without an end mark, and name no type of ours`() {
        for problem in ProblemType.all {
            #expect(problem.title.first?.isUppercase == true, "\(problem.code)")
            #expect(!problem.title.hasSuffix("."), "\(problem.code)")
            #expect(problem.advice.hasSuffix("."), "\(problem.code)")
            #expect(!(problem.title + problem.advice).contains("!"), "\(problem.code)")
        }
    }
}
