import BTF
import Testing

struct BTFTypesTests {
    private func reason(_ bytes: [UInt8], base: BTFTypes? = nil) -> String? {
        do throws(BTFError) {
            _ = try BTFTypes(parsing: bytes, base: base)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func `every kind is known by its name and size`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4, encoding: 1)
        let point = blob.structure(
            "point", size: 8, [.init("x", int, at: 0), .init("y", int, at: 4)])
        let ids: [(BTFTypes.ID, BTFTypes.Kind, String, Int?, String)] = [
            (int, .int, "int", 4, "int"), (point, .structure, "point", 8, "struct point"),
            (blob.union("either", size: 8, []), .union, "either", 8, "union either"),
            (blob.enumeration("color", ["RED": 0]), .enumeration, "color", 4, "enum color"),
            (
                blob.enumeration64("big", signed: false, ["B": 1]), .enumeration64, "big", 8,
                "enum big"
            ),
            (blob.forward("later"), .forward, "later", nil, "struct later"),
            (blob.typedef("point_t", point), .typedef, "point_t", 8, "point_t"),
            (blob.const(point), .const, "", 8, "const struct point"),
            (blob.volatile(int), .volatile, "", 4, "volatile int"),
            (blob.restrict(int), .restrict, "", 4, "int"),
            (blob.float("double", size: 8), .float, "double", 8, "double"),
            (blob.typeTag("user", int), .typeTag, "user", 4, "int"),
            (blob.variable("v", int), .variable, "v", 4, "v"),
            (blob.pointer(to: point), .pointer, "", 8, "struct point *"),
            (blob.pointer(to: 0), .pointer, "", 8, "void *"),
            (blob.array(of: int, 3), .array, "", 12, "int[3]"),
        ]
        let proto = blob.prototype(result: int, [("a", int), ("b", point)])
        let function = blob.function("add", proto)
        let types = try blob.types()
        for (id, kind, name, size, spelling) in ids {
            #expect(types.kind(of: id) == kind)
            #expect(types.name(of: id) == name)
            #expect(types.size(of: id) == size)
            #expect(types.spelling(of: id) == spelling)
            if !name.isEmpty { #expect(types.find(name, kind) == id) }
        }
        #expect(types.kind(of: 0) == .void)
        #expect(types.size(of: 0) == nil)
        #expect(types.kind(of: 9999) == .void)
        #expect(types.size(of: function) == nil)
        #expect(types.prototype(of: function)?.parameters.map(\.name) == ["a", "b"])
        #expect(types.prototype(of: function)?.result == int)
        #expect(types.count == Int(blob.next))
    }

    @Test func `declarators are spelled as C has them`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4, encoding: 1)
        let grid = blob.array(of: blob.array(of: int, 3), 2)
        let pointer = blob.pointer(to: int)
        let function = blob.prototype(result: int, [("a", int)])
        let callback = blob.pointer(to: function)
        let expected: [(BTFTypes.ID, String)] = [
            (grid, "int[2][3]"), (blob.pointer(to: grid), "int (*)[2][3]"),
            (blob.array(of: pointer, 4), "int *[4]"), (blob.pointer(to: pointer), "int **"),
            (blob.const(pointer), "int * const"), (callback, "int (*)(…)"),
            (blob.pointer(to: callback), "int (**)(…)"),
            (blob.array(of: callback, 2), "int (*[2])(…)"),
            (blob.array(of: int, 0), "int[]"), (blob.structure("", size: 0, []), "struct {…}"),
            (blob.pointer(to: blob.const(blob.int("char", size: 1))), "const char *"),
        ]
        let types = try blob.types()
        for (id, text) in expected { #expect(types.spelling(of: id) == text) }
    }

    @Test func `a name that several types have is found by kind, lowest id first`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let first = blob.structure("same", size: 4, [.init("a", int, at: 0)])
        let second = blob.structure("same", size: 8, [])
        let alias = blob.typedef("same", second)
        let types = try blob.types()
        #expect(types.find("same", .structure) == first)
        #expect(types.find("same", .typedef) == alias)
        #expect(types.find("same", .union) == nil)
        #expect(types.find("sam", .structure) == nil)
        #expect(types.find("", .structure) == nil)
    }

    @Test func `types are resolved through typedefs, qualifiers and tags`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let chain = blob.const(blob.volatile(blob.typedef("t", blob.typeTag("x", int))))
        let pointer = blob.typedef("p", blob.pointer(to: chain))
        let array = blob.typedef("a", blob.array(of: chain, 5))
        let types = try blob.types()
        #expect(types.resolve(chain) == int)
        #expect(types.pointee(of: pointer) == chain)
        #expect(types.array(of: array)?.element == chain)
        #expect(types.array(of: array)?.count == 5)
        #expect(types.size(of: array) == 20)
        #expect(types.pointee(of: int) == nil)
        #expect(types.array(of: int) == nil)
    }

    @Test func `members have offsets and both encodings of bitfields`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4, encoding: 1)
        let three = blob.int("int", size: 4, bits: 3, offset: 2)
        let new = blob.structure(
            "new", size: 8,
            [
                .init("a", int, bit: 0, bits: 5), .init("b", int, bit: 5, bits: 7),
                .init("c", int, at: 4),
            ])
        let old = blob.structure(
            "old", size: 8, [.init("a", int, at: 0), .init("b", three, at: 4)])
        let types = try blob.types()
        #expect(types.members(of: new).map(\.bitSize) == [5, 7, nil])
        #expect(types.members(of: new).map(\.bitOffset) == [0, 5, 32])
        #expect(types.members(of: old).map(\.bitSize) == [nil, 3])
        #expect(types.members(of: old).map(\.bitOffset) == [0, 34])
        #expect(types.members(of: new).map(\.offset) == [0, 0, 4])
        #expect(types.members(of: int).isEmpty)
    }

    @Test func `enumerators keep sign and size`() throws {
        var blob = BTFBuilder()
        let small = blob.enumeration("small", ["A": -1, "B": 2])
        let unsigned = blob.enumeration64("u", signed: false, ["M": .max])
        let signed = blob.enumeration64("s", signed: true, ["M": .max])
        let types = try blob.types()
        #expect(types.enumerators(of: small).map(\.value) == [-1, 2])
        #expect(types.enumerators(of: unsigned).map(\.value) == [Int128(UInt64.max)])
        #expect(types.enumerators(of: signed).map(\.value) == [-1])
        #expect(types.enumerators(of: small).map(\.name) == ["A", "B"])
    }

    @Test func `variables of a section come in the order of their offsets`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let (a, b) = (blob.variable("a", int), blob.variable("b", int))
        _ = blob.section(".data", size: 8, [(a, offset: 4, size: 4), (b, offset: 0, size: 4)])
        let types = try blob.types()
        #expect(types.variables(in: ".data").map(\.name) == ["b", "a"])
        #expect(types.variables(in: ".data").map(\.offset) == [0, 4])
        #expect(types.variables(in: ".data").map(\.type) == [int, int])
        #expect(types.variables(in: ".bss").isEmpty)
    }

    @Test func `declaration tags are found on types and on members`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        let s = blob.structure("s", size: 8, [.init("a", int, at: 0), .init("b", int, at: 4)])
        _ = blob.declarationTag("event", on: s)
        _ = blob.declarationTag("ipv4", on: s, member: 1)
        _ = blob.declarationTag("second", on: s)
        let types = try blob.types()
        #expect(types.declarationTags(on: s) == ["event", "second"])
        #expect(types.declarationTags(on: s, member: 1) == ["ipv4"])
        #expect(types.declarationTags(on: s, member: 0).isEmpty)
        #expect(types.declarationTags(on: int).isEmpty)
    }

    @Test func `split BTF refers to its base's types and strings`() throws {
        var kernel = BTFBuilder()
        let int = kernel.int("int", size: 4)
        let device = kernel.structure("device", size: 4, [.init("id", int, at: 0)])
        var module = BTFBuilder(splitFrom: kernel)
        let own = module.structure(
            "widget", size: 8, [.init("dev", device, at: 0), .init("n", int, at: 4)])
        // A name that lies in the base's strings: "device" stands behind "int" and "id".
        let alias = module.add(8, "", own)
        var bytes = module.bytes
        bytes.replaceSubrange(
            bytes.count - module.strings.count - 12..<bytes.count - module.strings.count - 8,
            with: little(UInt32(8)))
        let base = try kernel.types()
        let types = try BTFTypes(parsing: bytes, base: base)
        #expect(types.find("widget", .structure) == own)
        #expect(types.find("device", .structure) == device)
        #expect(types.name(of: alias) == "device")
        #expect(types.find("device", .typedef) == alias)
        #expect(types.spelling(of: types.members(of: own)[0].type) == "struct device")
        #expect(types.size(of: own) == 8)
        #expect(types.count == Int(module.next))
        // Without its base it refers to types that are not there.
        #expect(reason(bytes) != nil)
    }

    @Test func `what is not whole is refused`() throws {
        var blob = BTFBuilder()
        let int = blob.int("int", size: 4)
        _ = blob.structure("s", size: 8, [.init("a", int, at: 0), .init("b", int, at: 4)])
        let bytes = blob.bytes
        for size in 0..<bytes.count { #expect(reason(Array(bytes[..<size])) != nil) }
        #expect(reason(bytes) == nil)
        #expect(reason([0xEB, 0x9F] + bytes[2...])?.contains("big-endian") == true)
        #expect(reason([0x7F, 0x45] + bytes[2...])?.contains("not BTF") == true)
        #expect(reason([0x9F, 0xEB, 2] + bytes[3...])?.contains("version 2") == true)
        var open = bytes
        open[open.count - 1] = 0x61
        #expect(reason(open)?.contains("NUL") == true)
    }

    @Test func `references to nowhere are refused`() {
        var unknown = BTFBuilder()
        _ = unknown.add(31, "x", 0)
        #expect(reason(unknown.bytes) == "type 1 has the unknown kind 31")
        var far = BTFBuilder()
        _ = far.pointer(to: 2)
        #expect(reason(far.bytes) == "type 1 refers to type 2, the last is 1")
        var member = BTFBuilder()
        _ = member.structure("s", size: 4, [.init("a", 77, at: 0)])
        #expect(reason(member.bytes) == "type 1 refers to type 77, the last is 1")
        var cut = BTFBuilder()
        _ = cut.add(4, "s", 4, count: 3)
        #expect(reason(cut.bytes) == "the BTF type section ends inside type 1")
        var name = BTFBuilder()
        _ = name.add(7, "", 0)
        var bytes = name.bytes
        bytes[24] = 200
        #expect(reason(bytes)?.contains("has a name at 200") == true)
    }

    @Test func `cycles and absurd sizes end`() throws {
        var blob = BTFBuilder()
        let loop = blob.typedef("loop", 2)
        _ = blob.typedef("pool", 1)
        let endless = blob.pointer(to: 3)
        let int = blob.int("int", size: 4)
        let huge = blob.array(of: blob.array(of: int, 1 << 31), 1 << 31)
        let nested = blob.array(of: 7, 2)
        let types = try blob.types()
        #expect(types.resolve(loop) == 0)
        #expect(types.size(of: loop) == nil)
        #expect(types.spelling(of: endless).count < 200)
        #expect(types.size(of: huge) == nil)
        #expect(types.size(of: nested) == nil)
    }

    @Test func `a blob whose types all have one name is indexed at once`() throws {
        var blob = BTFBuilder()
        let name = blob.string("same")
        for _ in 0..<50_000 { _ = blob.add(7, "", 0) }
        var words = blob.words
        for index in stride(from: 0, to: words.count, by: 3) { words[index] = name }
        let section = words.flatMap(little)
        let header: [UInt32] = [
            24, 0, UInt32(section.count), UInt32(section.count), UInt32(blob.strings.count),
        ]
        let types = try BTFTypes(
            parsing: [0x9F, 0xEB, 1, 0] + header.flatMap(little) + section + blob.strings)
        #expect(types.find("same", .forward) == 1)
        #expect(types.find("other", .forward) == nil)
    }
}
