/// BPF instructions as text, in the notation of the kernel's verifier and of bpftool
/// (linux: kernel/bpf/disasm.c): `(79) r1 = *(u64 *)(r0 +8)`.
public struct Disassembly: Sendable {
    /// One instruction of 8 bytes, as the kernel's little-endian word.
    struct Instruction {
        let code: UInt8
        let destination: UInt8
        let source: UInt8
        let offset: Int16
        let immediate: Int32

        init(_ word: UInt64) {
            code = UInt8(truncatingIfNeeded: word)
            destination = UInt8(truncatingIfNeeded: word >> 8) & 15
            source = UInt8(truncatingIfNeeded: word >> 12) & 15
            offset = Int16(truncatingIfNeeded: word >> 16)
            immediate = Int32(truncatingIfNeeded: word >> 32)
        }

        var kind: UInt8 { code & 0x07 }
        var operation: UInt8 { code & 0xf0 }
        var mode: UInt8 { code & 0xe0 }
        /// Whether the second operand is a register.
        var isOfRegister: Bool { code & 0x08 != 0 }
        /// `BPF_LD | BPF_IMM | BPF_DW`: takes the next word as well.
        var isWide: Bool { code == 0x18 }
        var size: String { ["u32", "u16", "u8", "u64"][Int(code & 0x18) >> 3] }
        var signedSize: String { ["s32", "s16", "s8", "?"][Int(code & 0x18) >> 3] }
        /// `w` for the 32-bit classes.
        var register: String { kind == 4 || kind == 6 ? "w" : "r" }
        var place: String { "r\(destination) \(Self.signed(Int(offset)))" }
        var target: String { Self.signed(Int(offset)) }

        static func signed(_ number: Int) -> String { number < 0 ? "\(number)" : "+\(number)" }
    }

    private let instructions: [Instruction]
    /// Names of the functions that calls go to, by their instruction's index.
    private let calls: [Int: String]

    /// - Parameter calls: by index, `bpf_map_lookup_elem`, and of subprograms `bpf_prog_0a_inner`.
    public init(_ words: [UInt64], calls: [Int: String] = [:]) {
        instructions = words.map(Instruction.init)
        self.calls = calls
    }

    /// Each with its index; the second word of a wide one is left out.
    public var lines: [(index: Int, text: String)] {
        var lines: [(Int, String)] = []
        var index = 0
        while index < instructions.count {
            let at = instructions[index]
            let next = index + 1 < instructions.count ? instructions[index + 1] : nil
            lines.append((index, text(of: at, next, index)))
            index += at.isWide ? 2 : 1
        }
        return lines
    }

    /// Calls that want a name: `imm` of those of the kernel's functions.
    public var kernelCalls: [(index: Int, immediate: Int32)] {
        instructions.enumerated().compactMap { index, at in
            at.code == 0x85 && at.source != 1 ? (index, at.immediate) : nil
        }
    }

    /// Calls of subprograms: the number of the callee where there is machine code.
    public var subprogramCalls: [(index: Int, callee: Int32)] {
        instructions.enumerated().compactMap { index, at in
            at.code == 0x85 && at.source == 1 ? (index, at.immediate) : nil
        }
    }

    private func text(of at: Instruction, _ next: Instruction?, _ index: Int) -> String {
        let hex = String(at.code, radix: 16)
        let code = "(" + (hex.utf8.count == 1 ? "0" : "") + hex + ") "
        let text =
            switch at.kind {
            case 0: load(at, next)
            case 1: "r\(at.destination) = " + memoryLoad(at)
            case 2: immediateStore(at)
            case 3: store(at)
            case 5, 6: jump(at, index)
            default: arithmetic(at)
            }
        return code + (text ?? "unknown")
    }

    private func load(_ at: Instruction, _ next: Instruction?) -> String? {
        switch at.mode {
        case 0x20: return "r0 = *(\(at.size) *)skb[\(at.immediate)]"
        case 0x40: return "r0 = *(\(at.size) *)skb[r\(at.source) + \(at.immediate)]"
        default:
            guard at.isWide, let next else { return nil }
            let low = UInt32(bitPattern: at.immediate)
            let value: String =
                switch at.source {
                case 1: "map[id:\(low)]"
                case 2: "map[id:\(low)][0]+\(next.immediate)"
                case 4: "subprog[\(Instruction.signed(Int(at.immediate)))]"
                case 5: "map[idx:\(low)]"
                case 6: "map[idx:\(low)]+\(next.immediate)"
                default:
                    "0x"
                        + String(
                            UInt64(UInt32(bitPattern: next.immediate)) << 32 | UInt64(low),
                            radix: 16)
                }
            return "r\(at.destination) = \(value)"
        }
    }

    private func memoryLoad(_ at: Instruction) -> String {
        let size = at.mode == 0x80 ? at.signedSize : at.size
        return "*(\(size) *)(r\(at.source) \(at.target))"
    }

    private func immediateStore(_ at: Instruction) -> String? {
        switch at.mode {
        case 0x60: "*(\(at.size) *)(\(at.place)) = \(at.immediate)"
        case 0xc0: "nospec"
        default: nil
        }
    }

    private func store(_ at: Instruction) -> String? {
        if at.mode == 0x60 { return "*(\(at.size) *)(\(at.place)) = r\(at.source)" }
        guard at.mode == 0xc0 else { return nil }
        let width = at.code & 0x18 == 0x18 ? "64" : ""
        let memory = "(\(at.size) *)(\(at.place))"
        let names: [Int32: String] = [0x00: "add", 0x50: "and", 0x40: "or", 0xa0: "xor"]
        switch at.immediate {
        case 0xf1: return "r0 = atomic\(width)_cmpxchg(\(memory), r0, r\(at.source))"
        case 0xe1: return "r\(at.source) = atomic\(width)_xchg(\(memory), r\(at.source))"
        case 0x100:
            return "r\(at.destination) = load_acquire((\(at.size) *)(r\(at.source) "
                + "\(at.target)))"
        case 0x110: return "store_release(\(memory), r\(at.source))"
        default:
            guard let name = names[at.immediate & ~1] else { return nil }
            if at.immediate & 1 == 1 {
                return "r\(at.source) = atomic\(width)_fetch_\(name)(\(memory), r\(at.source))"
            }
            let sign = Self.arithmeticSigns[Int(at.immediate) >> 4] ?? "?"
            return "lock *\(memory) \(sign) r\(at.source)"
        }
    }

    private static let arithmeticSigns: [Int: String] = [
        0: "+=", 1: "-=", 2: "*=", 3: "/=", 4: "|=", 5: "&=", 6: "<<=", 7: ">>=", 9: "%=",
        10: "^=", 11: "=", 12: "s>>=",
    ]

    private func arithmetic(_ at: Instruction) -> String? {
        let (letter, to, from) = (at.register, at.destination, at.source)
        switch at.operation {
        case 0xd0:
            if at.kind == 7 { return "r\(to) = bswap\(at.immediate) r\(to)" }
            return "r\(to) = \(at.isOfRegister ? "be" : "le")\(at.immediate) r\(to)"
        case 0x80: return "\(letter)\(to) = -\(letter)\(to)"
        case 0xb0 where at.kind == 7 && at.isOfRegister && at.offset == 1:
            let high = UInt32(bitPattern: at.immediate) >> 16
            let low = UInt32(bitPattern: at.immediate) & 0xffff
            return "r\(to) = addr_space_cast(r\(from), \(high), \(low))"
        case 0xb0 where at.kind == 7 && at.isOfRegister && at.offset == -1:
            return "r\(to) = &(void __percpu *)(r\(from))"
        default:
            guard var sign = Self.arithmeticSigns[Int(at.operation) >> 4] else { return nil }
            let isDivision = at.operation == 0x30 || at.operation == 0x90
            if isDivision && at.offset == 1 { sign = "s" + sign }
            guard at.isOfRegister else { return "\(letter)\(to) \(sign) \(at.immediate)" }
            let isExtended = at.operation == 0xb0 && [8, 16, 32].contains(at.offset)
            let cast = isExtended ? "(s\(at.offset))" : ""
            return "\(letter)\(to) \(sign) \(cast)\(letter)\(from)"
        }
    }

    private static let comparisons: [UInt8: String] = [
        0x10: "==", 0x20: ">", 0x30: ">=", 0x40: "&", 0x50: "!=", 0x60: "s>", 0x70: "s>=",
        0xa0: "<", 0xb0: "<=", 0xc0: "s<", 0xd0: "s<=",
    ]

    private func jump(_ at: Instruction, _ index: Int) -> String? {
        switch at.code {
        case 0x85 where at.source == 1:
            return "call pc\(at.target)" + (calls[index].map { "#" + $0 } ?? "")
        case 0x85: return "call \(calls[index] ?? "unknown")#\(at.immediate)"
        case 0x95: return "exit"
        case 0x05: return "goto pc\(at.target)"
        case 0x06: return "gotol pc\(Instruction.signed(Int(at.immediate)))"
        case 0xe5: return "may_goto pc\(at.target)"
        default:
            guard let sign = Self.comparisons[at.operation] else { return nil }
            let other =
                at.isOfRegister
                ? "\(at.register)\(at.source)"
                : "0x" + String(UInt32(bitPattern: at.immediate), radix: 16)
            return "if \(at.register)\(at.destination) \(sign) \(other) goto pc\(at.target)"
        }
    }
}
