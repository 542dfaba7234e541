import Testing

struct BanTests {
    /// What is written nowhere in the sources, and why.
    private let bans: [(pattern: String, why: String)] = [
        (#"\btry!"#, "an error that cannot happen is a preconditionFailure with its reason"),
        (#"\bas!"#, "a cast that cannot fail needs no cast"),
        (#"\bfatalError\("#, "preconditionFailure says which promise was broken"),
        (#"\bdebugPrint\(|\bdump\("#, "left over from debugging"),
        (#"\bTask\s*[{(.]|\bactor [A-Z]|\basync\b|\bawait\b"#, "named threads and Mutex instead"),
    ]

    @Test func `nothing that is banned stands in the sources`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            for ban in bans {
                offenders += file.places(of: ban.pattern).map { "\($0): \(ban.why)" }
            }
        }
        expectNone(offenders)
    }

    /// The commands' own output: everything else goes to the log.
    @Test func `only the mains print`() {
        let silent = SourceFile.sources.filter { $0.room != "apiary" && !$0.isMain }
        expectNone(silent.flatMap { $0.places(of: #"(?<![.\w])print\("#) })
    }

    @Test func `try? has a reason in a comment`() {
        var offenders: [Place] = []
        for file in SourceFile.sources {
            for place in file.places(of: #"\btry\?"#) {
                let near = file.lines[max(place.line - 9, 0)..<place.line]
                if !near.contains(where: { $0.contains("//") }) { offenders.append(place) }
            }
        }
        expectNone(offenders)
    }

    @Test func `a TODO has a date, and there is no FIXME`() {
        let pattern = #"\bTODO\b(?!\(\d{4}-\d\d-\d\d\))|\b(FIXME|XXX|HACK)\b"#
        let searched = SourceFile.all.filter { $0.name != "BanTests.swift" }
        expectNone(searched.flatMap { $0.places(of: pattern, inComments: true) })
    }

    @Test func `nothing is named Manager, Helper or Util`() {
        let vague = #"(Manager|Helper|Util|Utils|Utilities)"#
        let files = SourceFile.all.filter { $0.name.contains(/(Manager|Helper|Util)/) }
        expectNone(files.map(\.path))
        let types = #"\b(?:struct|class|enum|protocol|typealias) \w*"# + vague + #"\b"#
        expectNone(SourceFile.sources.flatMap { $0.places(of: types) })
    }

    @Test func `the search finds what it should, with its line`() {
        let file = SourceFile("Tests/TidyTests/SourceFiles.swift")
        #expect(file.places(of: #"^struct (\w+)"#).map(\.group) == ["SourceFile", "Place"])
        #expect(file.places(of: "^import").map(\.line) == [1, 2, 3])
        #expect(file.places(of: "One of our source files").isEmpty)
        #expect(file.places(of: "One of our source files", inComments: true).map(\.line) == [5])
    }
}
