import BTF
import JSON
import Testing

/// The usual integers, and a struct to put under test.
struct Blob {
    var build = BTFBuilder()
    let char, schar, u8, s8, u16, s16, u32, s32, u64, s64, u128, s128, bool: BTFTypes.ID
    let float, double: BTFTypes.ID

    init() {
        char = build.int("char", size: 1, encoding: 1)
        schar = build.int("signed char", size: 1, encoding: 1)
        u8 = build.typedef("__u8", build.int("unsigned char", size: 1))
        s8 = build.typedef("__s8", schar)
        u16 = build.typedef("__u16", build.int("unsigned short", size: 2))
        s16 = build.typedef("__s16", build.int("short", size: 2, encoding: 1))
        u32 = build.typedef("__u32", build.int("unsigned int", size: 4))
        s32 = build.int("int", size: 4, encoding: 1)
        u64 = build.typedef("__u64", build.int("unsigned long long", size: 8))
        s64 = build.int("long", size: 8, encoding: 1)
        u128 = build.int("unsigned __int128", size: 16)
        s128 = build.int("__int128", size: 16, encoding: 1)
        bool = build.int("_Bool", size: 1, encoding: 4)
        float = build.float("float", size: 4)
        double = build.float("double", size: 8)
    }

    mutating func plan(_ type: BTFTypes.ID) throws(BTFError) -> ValuePlan {
        try ValuePlan(try build.types(), type: type)
    }

    /// A plan of `struct s` with these members.
    mutating func plan(size: Int, _ members: [BTFBuilder.Member]) throws(BTFError) -> ValuePlan {
        let type = build.structure("s", size: size, members)
        return try plan(type)
    }
}

extension ValuePlan {
    func text(_ bytes: [UInt8], int64: Int64Style = .number) -> String {
        var json = JSONWriter(capacity: 1, int64: int64)
        render(bytes.span, into: &json)
        return String(decoding: json.bytes(), as: UTF8.self)
    }

    func bytes(_ text: String) throws -> [UInt8] { try encode(try JSONValue.parse(text)) }

    /// What is refused, as "/pointer: reason".
    func refusal(_ text: String) throws -> String? {
        let value = try JSONValue.parse(text)
        do throws(ValueError) {
            _ = try encode(value)
            return nil
        } catch {
            return "\(error.pointer): \(error.reason)"
        }
    }
}

func padded(_ text: String, _ size: Int) -> [UInt8] {
    Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count)
}
