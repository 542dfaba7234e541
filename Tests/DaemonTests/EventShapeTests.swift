import Foundation
import JSON
import TestSupport
import Testing

/// Members of members, elements of arrays, and records that end where no type says.
@Suite(.requiresRoot, .needs(.tracepoint)) struct EventShapeTests {
    private let apiary: TestDaemon
    private let other: Workload

    init() throws {
        apiary = try TestDaemon()
        other = try Workload()
        try apiary.load("p", "shapes.bpf.o", watching: other.processIdentifier)
        try other.getpgid(3)
        #expect(try Machine.waits { try events("map=lists").count == 3 })
        #expect(try Machine.waits { try events("map=texts").count == 3 })
    }

    private func events(_ query: String) throws -> [JSONValue] {
        let encoded = query.replacing(" ", with: "%20")
        return try apiary.curl(
            "GET /v1/events?program=p&follow=false&records=events&\(encoded)"
        ).answers(200).lines
    }

    private func data(_ query: String) throws -> [String] {
        try events(query).map { $0["data"]?.compact ?? "" }
    }

    @Test func `a flexible array begins before the padding of its struct`() throws {
        #expect(
            try events("map=texts").compactMap { $0.at("/data/text")?.string } == [
                "x", "xy", "xyz",
            ])
        #expect(try events("map=texts&filter=text == \"xy\"").compactMap { $0["seq"]?.int } == [2])
        let ledger = try apiary.curl("GET /v1/events/ledger?program=p").answers(200)
        #expect(ledger["/items"]?.array?.allSatisfy { $0["invalid"] == [:] } == true, "\(ledger)")
    }

    @Test func `what is behind the last whole element is trailing`() throws {
        let lists = try events("map=lists")
        #expect(
            lists.map { $0.at("/data/items")?.compact ?? "" } == [
                #"[{"x":1,"y":0}]"#, #"[{"x":1,"y":0},{"x":2,"y":-2}]"#,
                #"[{"x":1,"y":0},{"x":2,"y":-2},{"x":3,"y":0}]"#,
            ])
        #expect(
            lists.map { $0["trailing"]?.string ?? "" } == ["hex:0200", "hex:0300", "hex:0000"])
        #expect(try events("map=texts").allSatisfy { $0["trailing"] == nil })
    }

    @Test func `fields and filters reach into structs and arrays`() throws {
        #expect(
            try data("map=texts&fields=at[1].y,number")
                == (1...3).map { #"{"at":[null,{"y":-\#($0)}],"number":\#($0)}"# })
        #expect(
            try data("map=lists&fields=items[1].x,args[2]") == [
                #"{"items":[],"args":[null,null,1]}"#,
                #"{"items":[null,{"x":2}],"args":[null,null,4]}"#,
                #"{"items":[null,{"x":2}],"args":[null,null,9]}"#,
            ])
        #expect(
            try data("map=lists&fields=inner.first.x,inner.kind&limit=1")
                == [#"{"inner":{"first":{"x":7},"kind":1}}"#])
        for (filter, numbers) in [
            ("items[1].y == -2", [2, 3]), ("items[2].x", [3]), ("items[1].x != 2", []),
            ("items[9].x >= 0", []), ("!(items[2].x == 3)", [1, 2]), ("args[2] > 3", [2, 3]),
            ("inner.kind == args[0] || inner.first.x == 7", [1, 2, 3]),
        ] {
            #expect(
                try events("map=lists&filter=\(filter)").compactMap { $0["seq"]?.int } == numbers,
                "\(filter)")
        }
    }

    @Test func `addresses in structs and flexible arrays are resolved too`() throws {
        if ProcessInfo.processInfo.environment["APIARY_GUEST"] != nil {
            print("skipped: an emulated guest takes minutes to read /proc/kallsyms")
            return
        }
        let site = try events("map=sites&resolve=users&limit=1")[0]
        let stack = site.at("/resolved/stack")?.array?.compactMap(\.string) ?? []
        #expect(stack.count == 2 && stack.allSatisfy { $0.contains("+0x") }, "\(site.compact)")
        #expect(site["resolved"]?["task.ip"]?.string == stack.last)
        #expect(site["resolved"]?["task.uid"] == "root")
        let part = try events("map=sites&fields=task&limit=1")[0]
        #expect(part["resolved"]?.object?.members.map(\.name) == ["task.ip"])
    }

    @Test func `a table has columns for them`() throws {
        let answer = try apiary.curl(
            "GET /v1/events?program=p&map=lists&format=csv&fields=number,items[1].x,args[2]"
        ).answers(200)
        let rows = answer.text.split(separator: "\r\n")
        #expect(rows.first?.hasSuffix(",where,number,items[1].x,args[2]") == true)
        #expect(
            rows.dropFirst().map {
                $0.split(separator: ",", omittingEmptySubsequences: false).suffix(3)
            }
                == [["1", "", "1"], ["2", "2", "4"], ["3", "2", "9"]])
    }

    @Test func `a path that leads nowhere is refused with its place`() throws {
        for (fields, position, reason) in [
            ("number,at[2].x", 8, "at is a struct point[2] and has no [2].x: there is at[0]"),
            ("at[1].z", 1, "at[1] is a struct point and has no z: there is at[1].x, at[1].y"),
            ("number,,at", 8, "a member's name is wanted"), ("at[1", 3, "[1 is no element"),
            ("nope", 1, "struct text_event has no member nope: number, at, count, text"),
            ("items[3000].x,items[1998].y", 15, "more than 4096 elements before it"),
        ] {
            let map = fields.hasPrefix("items") ? "lists" : "texts"
            let answer = try apiary.curl("GET /v1/events?program=p&map=\(map)&fields=\(fields)")
                .answers(400, problem: .invalidParameter)
            #expect(answer["/position"]?.int == position, "\(answer)")
            #expect(answer["/detail"]?.string?.contains(reason) == true, "\(answer)")
        }
    }
}
