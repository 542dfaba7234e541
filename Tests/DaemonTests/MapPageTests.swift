import JSON
import Linux
import TestSupport
import Testing

@Suite(.requiresRoot) struct MapPageTests {
    @Test func `2,500 entries come in pages, each once, as bpftool sees them`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        let id = try apiary.curl("GET /v1/maps/v/many")["/kernel_id"]?.int ?? 0
        try fill(apiary, map: id, count: 2500)
        try apiary.curl("GET /v1/maps/v/many").answers(200, #"{"entry_count":2500}"#)

        for limit in [1000, 333] {
            var seen: [Int: UInt64] = [:]
            var pages = 0
            var query = "limit=\(limit)"
            while true {
                let page = try apiary.curl("GET /v1/maps/v/many/entries?\(query)").answers(200)
                let items = page["/items"]?.array ?? []
                #expect(items.count <= limit)
                for item in items {
                    let key = item["key"]?.int ?? -1
                    #expect(seen.updateValue(item["value"]?.uint64 ?? 0, forKey: key) == nil)
                }
                pages += 1
                guard let cursor = page["/next_cursor"]?.string else { break }
                query = "limit=\(limit)&cursor=\(cursor)"
            }
            #expect(pages == (2500 + limit - 1) / limit)
            #expect(seen.count == 2500)
            #expect((0..<2500).allSatisfy { seen[$0] == UInt64($0) * 3 })
        }

        let dump = try Machine.bpftool("map", "dump", "id", "\(id)")?.array ?? []
        let theirs = Set(dump.compactMap { $0["formatted"] })
        let ours = try apiary.curl("GET /v1/maps/v/many/entries?limit=1000").answers(200)
        for item in ours["/items"]?.array ?? [] { #expect(theirs.contains(item)) }
        let first = try apiary.curl("GET /v1/maps/v/many/entries").answers(200)
        #expect(first["/items"]?.array?.count == 100)
    }

    @Test func `entries that are not in the walk's way may go`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        let id = try apiary.curl("GET /v1/maps/v/many")["/kernel_id"]?.int ?? 0
        try fill(apiary, map: id, count: 20)
        let page = try apiary.curl("GET /v1/maps/v/many/entries?limit=10").answers(200)
        let firsts = page["/items"]?.array?.compactMap { $0["key"]?.int } ?? []
        try apiary.curl("DELETE /v1/maps/v/many/entries/\(firsts[3])").answers(204)
        let cursor = page["/next_cursor"]?.string ?? ""
        let rest = try apiary.curl("GET /v1/maps/v/many/entries?cursor=\(cursor)").answers(200)
        let seconds = rest["/items"]?.array?.compactMap { $0["key"]?.int } ?? []
        #expect((firsts + seconds).sorted() == Array(0..<20))
    }

    @Test func `a page whose last entry was deleted does not repeat the walk`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        let id = try apiary.curl("GET /v1/maps/v/many")["/kernel_id"]?.int ?? 0
        try fill(apiary, map: id, count: 20)
        let page = try apiary.curl("GET /v1/maps/v/many/entries?limit=10").answers(200)
        let firsts = page["/items"]?.array?.compactMap { $0["key"]?.int } ?? []
        try apiary.curl("DELETE /v1/maps/v/many/entries/\(firsts[9])").answers(204)
        let cursor = page["/next_cursor"]?.string ?? ""
        let rest = try apiary.curl("GET /v1/maps/v/many/entries?cursor=\(cursor)").answers(200)
        let seconds = rest["/items"]?.array?.compactMap { $0["key"]?.int } ?? []
        withKnownIssue("the kernel begins again after a key that is gone") {
            #expect((firsts + seconds).sorted() == Array(0..<20))
        }
        #expect(Set(firsts + seconds) == Set(0..<20))
    }

    @Test func `a wrong cursor is refused`() throws {
        let apiary = try TestDaemon()
        try apiary.curl("PUT /v1/programs/v", file: "values.bpf.o").answers(201)
        for cursor in ["x", "0102", "010203040506", ""] {
            try apiary.curl("GET /v1/maps/v/many/entries?cursor=\(cursor)")
                .answers(400, problem: .invalidCursor)
        }
        try apiary.curl("GET /v1/maps/v/many/entries?limit=1001")
            .answers(400, problem: .invalidParameter)
    }

    /// Key n has the value 3n; one bpftool for all.
    private func fill(_ apiary: TestDaemon, map: Int, count: Int) throws {
        let lines = (0..<count).map { key in
            let bytes = (0..<4).map { "\(key >> ($0 * 8) & 255)" }.joined(separator: " ")
            let value = (0..<8).map { "\((key * 3) >> ($0 * 8) & 255)" }.joined(separator: " ")
            return "map update id \(map) key \(bytes) value \(value)\n"
        }.joined()
        let path = apiary.directory + "/batch"
        let bytes = Array(lines.utf8)
        try FileSystem.replace(path, with: bytes.span)
        try Machine.run("bpftool", "batch", "file", path)
    }
}
