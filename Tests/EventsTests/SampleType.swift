import BTF

@testable import Events

/// A struct with a member of every sort, its types encoded by hand:
///
/// ```
/// enum state { IDLE, BUSY = 5 };
/// struct sample {
///     u64 ts; u32 pid; s32 ret; enum state state; u8 mac[4]; double ratio;
///     u32 flag : 1, level : 7; bool ok; u16 port; char comm[16];
/// };
/// ```
enum SampleType {
    static let size = 64

    static func make(_ name: String = "sample") throws -> RecordType {
        let types = try BTFTypes(parsing: bytes(name))
        let id = types.find(name, .structure) ?? 0
        return RecordType(
            name: name, plan: try ValuePlan(types, type: id), types: types, typeID: id)
    }

    private static func bytes(_ name: String) -> [UInt8] {
        var strings: [UInt8] = [0]
        func place(_ text: String) -> UInt32 {
            defer { strings += Array(text.utf8) + [0] }
            return UInt32(strings.count)
        }
        func kind(_ number: UInt32, _ count: UInt32 = 0) -> UInt32 { number << 24 | count }
        var words: [UInt32] = []
        words += [place("u64"), kind(1), 8, 64]  // 1
        words += [place("u32"), kind(1), 4, 32]  // 2
        words += [place("int"), kind(1), 4, 1 << 24 | 32]  // 3
        words += [place("u16"), kind(1), 2, 16]  // 4
        words += [place("unsigned char"), kind(1), 1, 8]  // 5
        words += [place("char"), kind(1), 1, 1 << 24 | 8]  // 6
        words += [place("_Bool"), kind(1), 1, 4 << 24 | 8]  // 7
        words += [place("double"), kind(16), 8]  // 8
        words += [place("state"), kind(6, 2), 4, place("IDLE"), 0, place("BUSY"), 5]  // 9
        words += [0, kind(3), 0, 5, 2, 4]  // 10: u8[4]
        words += [0, kind(3), 0, 6, 2, 16]  // 11: char[16]
        let members: [(String, UInt32, UInt32)] = [
            ("ts", 1, 0), ("pid", 2, 64), ("ret", 3, 96), ("state", 9, 128), ("mac", 10, 160),
            ("ratio", 8, 192), ("flag", 2, 1 << 24 | 256), ("level", 2, 7 << 24 | 257),
            ("ok", 7, 288), ("port", 4, 304), ("comm", 11, 320),
        ]
        // kind_flag: bitfield sizes stand beside the offsets.
        words += [place(name), 1 << 31 | kind(4, UInt32(members.count)), UInt32(size)]
        for (member, type, offset) in members { words += [place(member), type, offset] }
        let header: [UInt32] = [
            0x0001_EB9F, 24, 0, UInt32(4 * words.count), UInt32(4 * words.count),
            UInt32(strings.count),
        ]
        return (header + words).flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        } + strings
    }

    static func record(
        ts: UInt64 = 1, pid: UInt32 = 7, ret: Int32 = -2, state: UInt32 = 5,
        mac: [UInt8] = [0, 0x1b, 0xff, 2], ratio: Double = 0.5, flag: UInt8 = 1, level: UInt8 = 5,
        ok: Bool = true, port: UInt16 = 443, comm: String = "sshd"
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        func put(_ value: UInt64, _ width: Int) {
            for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
        }
        put(ts, 8)
        put(UInt64(pid), 4)
        put(UInt64(UInt32(bitPattern: ret)), 4)
        put(UInt64(state), 4)
        bytes += mac
        put(ratio.bitPattern, 8)
        put(UInt64(flag | level << 1), 4)
        put(ok ? 1 : 0, 2)
        put(UInt64(port), 2)
        bytes += Array(comm.utf8.prefix(16))
        while bytes.count < size { bytes.append(0) }
        return bytes
    }
}
