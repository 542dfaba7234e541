import JSON
import Testing

@testable import BTF

/// Paths to members, and what is shown where a client asks for some of them.
struct MemberPathTests {
    /// ```
    /// struct point { u16 x; u16 y; };
    /// struct record {
    ///     u64 ts; u32 args[3]; struct point in[2]; union { u32 a; u16 b; } u; u32 n;
    ///     struct point items[];
    /// };
    /// ```
    /// 40 bytes, of which the last four are `n` and the items begin behind them.
    private let plan: ValuePlan

    init() throws {
        var build = BTFBuilder()
        let u16 = build.int("u16", size: 2)
        let u32 = build.int("u32", size: 4)
        let u64 = build.int("u64", size: 8)
        let point = build.structure(
            "point", size: 4, [.init("x", u16, at: 0), .init("y", u16, at: 2)])
        let args = build.array(of: u32, 3)
        let points = build.array(of: point, 2)
        let choice = build.union(
            "choice", size: 4, [.init("a", u32, at: 0), .init("b", u16, at: 0)])
        let items = build.array(of: point, 0)
        let id = build.structure(
            "record", size: 40,
            [
                .init("ts", u64, at: 0), .init("args", args, at: 8), .init("in", points, at: 20),
                .init("u", choice, at: 28), .init("n", u32, at: 32), .init("items", items, at: 36),
            ])
        plan = try ValuePlan(try build.types(), type: id)
    }

    private func record(items: Int, more: [UInt8] = []) -> [UInt8] {
        var bytes = little(UInt64(9))
        for number in 1...3 { bytes += little(UInt32(number)) }
        for number in 1...4 { bytes += little(UInt16(number)) }
        bytes += little(UInt32(0x0002_0001))
        bytes += little(UInt32(items))
        for item in 0..<items {
            bytes += little(UInt16(10 * item + 1))
            bytes += little(UInt16(10 * item + 2))
        }
        return bytes + more
    }

    private func shown(_ paths: [String], items: Int = 0) throws -> String {
        let part = try #require(plan.selecting(paths))
        return part.text(record(items: items))
    }

    @Test func `what is chosen stands where it stands in the whole`() throws {
        #expect(try shown(["in[1].x"]) == #"{"in":[null,{"x":3}]}"#)
        #expect(try shown(["in.1.x", "ts"]) == #"{"in":[null,{"x":3}],"ts":9}"#)
        #expect(try shown(["args[0]"]) == #"{"args":[1]}"#)
        #expect(try shown(["args[2]", "args[0]"]) == #"{"args":[1,null,3]}"#)
        #expect(try shown(["args[2]", "args", "u.b"]) == #"{"args":[1,2,3],"u":{"b":1}}"#)
        #expect(try shown(["in[1].y", "in[1].x"]) == #"{"in":[null,{"y":4,"x":3}]}"#)
        #expect(try shown(["in[0]"]) == #"{"in":[{"x":1,"y":2}]}"#)
        #expect(plan.selecting(["args[3]", "nope", "in[2].x", "ts.x"]) == nil)
        // A type that is declared later must not make lines of a million nulls.
        #expect(plan.selecting(["items[4097].x"]) == nil)
        #expect(try shown(["items[4096].x", "ts", "items[1].x"]) == #"{"items":[],"ts":9}"#)
    }

    @Test func `of a flexible array those are shown that the record has`() throws {
        for (items, text) in [
            (0, #"{"items":[]}"#), (1, #"{"items":[{"x":1}]}"#), (2, #"{"items":[{"x":1}]}"#),
            (3, #"{"items":[{"x":1},null,{"y":22}]}"#), (4, #"{"items":[{"x":1},null,{"y":22}]}"#),
        ] {
            #expect(try shown(["items[2].y", "items[0].x"], items: items) == text)
        }
        #expect(try shown(["items[1]"], items: 2) == #"{"items":[null,{"x":11,"y":12}]}"#)
        #expect(try shown(["items"], items: 1) == #"{"items":[{"x":1,"y":2}]}"#)
        let far = try #require(plan.selecting(["items[4000].x"]))
        #expect(far.text(record(items: 2)) == #"{"items":[]}"#)
    }

    @Test func `a cell is what stands between the frame`() throws {
        for (path, items, cell) in [
            ("ts", 0, "9"), ("in[1].x", 0, "3"), ("args.2", 0, "3"), ("items[1].y", 2, "12"),
            ("in", 0, #"[{"x":1,"y":2},{"x":3,"y":4}]"#),
        ] {
            let text = try Array(shown([path], items: items).utf8)
            let frame = plan.frame(of: path)
            #expect(
                String(decoding: text[frame.before..<text.count - frame.behind], as: UTF8.self)
                    == cell)
        }
        let absent = try shown(["items[1].y"], items: 1)
        let frame = plan.frame(of: "items[1].y")
        #expect(absent.utf8.count <= frame.before + frame.behind)
    }

    @Test func `a record needs no padding behind its last member`() throws {
        #expect(plan.size == 40)
        #expect(plan.leastSize == 36)
        #expect(plan.text(record(items: 0)).hasSuffix(#","items":[]}"#))
        let part = try #require(plan.selecting(["ts"]))
        #expect(part.text(record(items: 0)) == #"{"ts":9}"#)
        let tail = try #require(plan.tail)
        #expect([36, 39, 40, 43, 44].map(tail.shownCount) == [36, 36, 40, 40, 44])
    }

    @Test func `where a path goes wrong is told`() throws {
        for (path, offset, reason) in [
            ("nope", 0, "struct record has no member nope: ts, args, in, u, n, items"),
            ("args[3]", 4, "args is a u32[3] and has no [3]: there is args[0] to args[2]"),
            ("in[1].z", 6, "in[1] is a struct point and has no z: there is in[1].x, in[1].y"),
            ("in[2].x", 2, "in is a struct point[2] and has no [2].x: there is in[0] to in[1]"),
            ("ts.x", 3, "ts is a u64 and has no x"),
            ("items[x]", 5, "[x] is no element: [3]"),
            ("a..b", 1, "a name is wanted behind the dot"),
            ("", 0, "a member's name is wanted"), ("in[1]x", 5, "x is no step: .name or [3]"),
            ("items[0].z", 9, "items[0] is a struct point and has no z"),
        ] {
            let error = try #require(throws: MemberPathError.self, "\(path)") {
                _ = try plan.find(path)
            }
            #expect(error.offset == offset, "\(path): \(error)")
            #expect(error.reason.hasPrefix(reason), "\(path): \(error)")
        }
        #expect(try plan.find("items[7].y").offset == 66)
        #expect(try plan.find("items[7].x").elementEnd == 68)
        #expect(try plan.find("in[1].x").elementEnd == 0)
        #expect(plan.member(at: "items[7].y") == nil)
        #expect(plan.member(at: "in[1].y")?.offset == 26)
        #expect(try plan.find("items").isFlexible)
    }
}
