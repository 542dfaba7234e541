import JSON
import TestSupport
import Testing

@Suite(.requiresRoot) struct ListTests {
    @Test func `pages give each item once, in order`() throws {
        let apiary = try TestDaemon()
        let names = ["a", "a.1", "a-1", "B", "c", "d9", "d10"]
        for name in names {
            let team = name.count == 1 ? "one" : "two"
            try apiary.curl("PUT /v1/programs/\(name)?label=team=\(team)", file: "undeclared.bpf.o")
                .answers(201)
        }
        for limit in [1, 2, 3, 7, 8] {
            #expect(try walk(apiary, "limit=\(limit)") == names.sorted(), "\(limit)")
        }
        #expect(try walk(apiary, "limit=2&label=team=one") == ["B", "a", "c"])
        let digest = try apiary.curl("GET /v1/programs/a")["/digest"]?.string ?? ""
        #expect(try walk(apiary, "limit=3&digest=\(digest)").count == 7)
        #expect(try walk(apiary, "state=loaded").count == 7)
        #expect(try walk(apiary, "state=failed") == [])
    }

    @Test func `an item that goes between two pages does no harm`() throws {
        let apiary = try TestDaemon()
        for name in ["a", "b", "c", "d"] {
            try apiary.curl("PUT /v1/programs/\(name)", file: "undeclared.bpf.o").answers(201)
        }
        let page = try apiary.curl("GET /v1/programs?limit=2").answers(200)
        try apiary.curl("DELETE /v1/programs/b").answers(204)
        let cursor = page["/next_cursor"]?.string ?? ""
        #expect(try apiary.curl("GET /v1/programs?cursor=\(cursor)").names() == ["c", "d"])
    }

    @Test func `a wrong limit or cursor is refused`() throws {
        let apiary = try TestDaemon()
        for list in ["programs", "probes", "maps", "objects", "audit"] {
            for limit in ["0", "1001", "-1", "x", ""] {
                try apiary.curl("GET /v1/\(list)?limit=\(limit)")
                    .answers(400, problem: .invalidParameter)
            }
            try apiary.curl("GET /v1/\(list)?cursor=zz").answers(400, problem: .invalidCursor)
            try apiary.curl("GET /v1/\(list)?offset=1").answers(400, problem: .unknownParameter)
        }
    }

    @Test func `an unknown value of a filter is refused`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("GET /v1/programs?state=atached").answers(400, problem: .invalidParameter)
        try apiary.curl("GET /v1/probes?state=atached").answers(400, problem: .invalidParameter)
        try apiary.curl("GET /v1/probes?kind=tracepint").answers(400, problem: .invalidParameter)
    }

    private func walk(_ apiary: TestDaemon, _ query: String) throws -> [String] {
        var names: [String] = []
        var page = try apiary.curl("GET /v1/programs?\(query)").answers(200)
        names += page.names()
        while let cursor = page["/next_cursor"]?.string {
            page = try apiary.curl("GET /v1/programs?\(query)&cursor=\(cursor)").answers(200)
            #expect(!page.names().isEmpty)
            names += page.names()
        }
        return names
    }
}
