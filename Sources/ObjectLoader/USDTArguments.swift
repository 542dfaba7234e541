internal import Loading

/// Reads a note's arguments: `-4@%esi 8@-24(%rbp) 4@$5`, each its size, negative where it is
/// signed, and an operand in the assembler's notation
/// (systemtap wiki, "UserSpaceProbeImplementation").
enum USDTArguments {
    /// - Returns: `nil` where there is an operand that is none of this machine's, with its text.
    static func parse(_ text: String) -> Result<[USDTSite.Argument], Unreadable> {
        var arguments: [USDTSite.Argument] = []
        for word in split(text) {
            guard let argument = argument(word) else { return .failure(Unreadable(text: word)) }
            arguments.append(argument)
        }
        return .success(arguments)
    }

    struct Unreadable: Error { let text: String }

    /// At the blanks that are not in parentheses or brackets: `8@[sp, 12]` is one.
    private static func split(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var depth = 0
        for character in text {
            if character == "(" || character == "[" { depth += 1 }
            if character == ")" || character == "]" { depth -= 1 }
            if character == " ", depth <= 0 {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else if character != " " {
                word.append(character)
            }
        }
        return word.isEmpty ? words : words + [word]
    }

    private static func argument(_ word: String) -> USDTSite.Argument? {
        let parts = word.split(separator: "@", maxSplits: 1).map(String.init)
        // `8f`: a floating-point number, which a program reads as its bits.
        guard parts.count == 2, let size = Int(parts[0].prefix { $0 != "f" }),
            [1, 2, 4, 8].contains(size.magnitude), let (location, value) = operand(parts[1])
        else { return nil }
        return USDTSite.Argument(
            location: location, value: value, isSigned: size < 0, size: Int(size.magnitude))
    }

    #if arch(arm64)
        /// `x0`, `[sp]`, `[x29, -8]`, `5`.
        private static func operand(_ text: String) -> (USDTSite.Location, Int64)? {
            if let number = Int64(text) { return (.constant, number) }
            if text.hasPrefix("["), text.hasSuffix("]") {
                let parts = text.dropFirst().dropLast().split(separator: ",").map(String.init)
                guard (1...2).contains(parts.count), let offset = register(parts[0]),
                    let displacement = parts.count == 2 ? Int64(parts[1]) : 0
                else { return nil }
                return (.memory(offset: offset), displacement)
            }
            return register(text).map { (.register(offset: $0), 0) }
        }

        /// In struct user_pt_regs: x0 to x30, then sp.
        private static func register(_ name: String) -> Int? {
            if name == "sp" { return 31 * 8 }
            guard name.hasPrefix("x") || name.hasPrefix("w"), let number = Int(name.dropFirst()),
                (0...30).contains(number)
            else { return nil }
            return number * 8
        }
    #else
        /// `%rax`, `-24(%rbp)`, `(%rdi)`, `8(%rax,%rbx,4)`, `$5`.
        private static func operand(_ text: String) -> (USDTSite.Location, Int64)? {
            if text.hasPrefix("$") { return number(text.dropFirst()).map { (.constant, $0) } }
            if text.hasPrefix("%") { return register(text).map { (.register(offset: $0), 0) } }
            guard text.hasSuffix(")"), let open = text.firstIndex(of: "(") else { return nil }
            let before = text[..<open]
            guard let displacement = before.isEmpty ? 0 : number(before) else { return nil }
            let inside = text[text.index(after: open)...].dropLast()
            let parts = inside.split(separator: ",", omittingEmptySubsequences: false)
                .map(String.init)
            guard let base = register(parts[0]) else { return nil }
            if parts.count == 1 { return (.memory(offset: base), displacement) }
            let scales = ["1": 0, "2": 1, "4": 2, "8": 3]
            guard let index = register(parts[1]),
                let shift = parts.count == 3 ? scales[parts[2]] : 0
            else { return nil }
            return (.indexed(offset: base, index: index, shift: shift), displacement)
        }

        private static func number(_ text: Substring) -> Int64? {
            if text.hasPrefix("0x") { return Int64(text.dropFirst(2), radix: 16) }
            if text.hasPrefix("-0x") { return Int64(text.dropFirst(3), radix: 16).map { -$0 } }
            // An unsigned constant over the signed range keeps its bits.
            return Int64(text) ?? UInt64(text).map { Int64(bitPattern: $0) }
        }

        /// In struct pt_regs (linux: arch/x86/include/uapi/asm/ptrace.h).
        private static func register(_ name: String) -> Int? {
            guard name.hasPrefix("%") else { return nil }
            return registers[String(name.dropFirst())]
        }

        private static let registers: [String: Int] = {
            var offsets: [String: Int] = [:]
            let rows: [[String]] = [
                ["r15", "r15d", "r15w", "r15b"], ["r14", "r14d", "r14w", "r14b"],
                ["r13", "r13d", "r13w", "r13b"], ["r12", "r12d", "r12w", "r12b"],
                ["rbp", "ebp", "bp", "bpl"], ["rbx", "ebx", "bx", "bl"],
                ["r11", "r11d", "r11w", "r11b"], ["r10", "r10d", "r10w", "r10b"],
                ["r9", "r9d", "r9w", "r9b"], ["r8", "r8d", "r8w", "r8b"],
                ["rax", "eax", "ax", "al"], ["rcx", "ecx", "cx", "cl"],
                ["rdx", "edx", "dx", "dl"], ["rsi", "esi", "si", "sil"],
                ["rdi", "edi", "di", "dil"], [], ["rip", "eip", "ip"], [], [],
                ["rsp", "esp", "sp", "spl"],
            ]
            for (index, names) in rows.enumerated() {
                for name in names { offsets[name] = index * 8 }
            }
            return offsets
        }()
    #endif
}
