internal import Loading

/// Reads the log of a refusal, as kernel/bpf/verifier.c and kernel/bpf/log.c write it: why, at
/// which instruction, and from which line of C that came.
struct VerifierLogText {
    /// What was said after the last instruction, at most three lines in one: `invalid access to map
    /// value, value_size=8 off=8 size=8; R0 min value is outside of the allowed memory range`.
    private(set) var reason: String?
    private(set) var instruction: LoadFailure.Instruction?
    private(set) var source: LoadFailure.SourceLine?

    private var said: [Substring] = []
    private var lastIndex: Int?
    private var lastSource: LoadFailure.SourceLine?
    private var texts: [Int: String] = [:]
    private var sources: [Int: LoadFailure.SourceLine] = [:]

    init(_ log: String) {
        for line in log.split(separator: "\n") { read(line.drop { $0 == " " }) }
        reason = said.isEmpty ? nil : said.suffix(3).joined(separator: "; ")
        let index = said.last.flatMap(Self.namedInstruction) ?? lastIndex
        // Of the whole function, found after all of its instructions.
        guard let index, reason?.hasPrefix("combined stack size") != true else { return }
        instruction = LoadFailure.Instruction(index: index, text: texts[index])
        source = sources[index]
    }

    private mutating func read(_ line: Substring) {
        if line.isEmpty || Self.noise.contains(where: line.hasPrefix) { return }
        if line.hasPrefix("; ") {
            lastSource = Self.source(line.dropFirst(2))
            return
        }
        guard let colon = line.firstIndex(of: ":"), let index = Int(line[..<colon]) else {
            // "from 8 to 4: R1=…" shows a state; the words of a refusal stand alone.
            if !line.hasPrefix("from ") && !Self.isState(line) { said.append(line) }
            return
        }
        let rest = line[line.index(after: colon)...].drop { $0 == " " }
        // "4: R1=ctx() R10=fp0" is a state as well.
        guard rest.hasPrefix("(") || rest.hasPrefix("<") else { return }
        said = []
        lastIndex = index
        let (text, comment) = Self.parts(of: rest)
        texts[index] = text
        if let lastSource { sources[index] = lastSource }
        // The comment of the next instruction, where nothing ended this one's line.
        if let comment { lastSource = Self.source(comment) }
    }

    /// The instruction without what follows it: the registers' state, or a line of the source.
    private static func parts(of rest: Substring) -> (String, Substring?) {
        var words: [Substring] = []
        for word in rest.split(separator: " ") {
            if word == ";" {
                let after = rest[word.endIndex...].drop { $0 == " " }
                let isState = after.hasPrefix("R") || after.hasPrefix("frame")
                return (words.joined(separator: " "), isState ? nil : after)
            }
            if word.last == ":", Int(word.dropLast()) != nil { break }
            words.append(word)
        }
        return (words.joined(separator: " "), nil)
    }

    /// `R1=ctx() R10=fp0`, and not `R1 invalid mem access`.
    private static func isState(_ line: Substring) -> Bool {
        let word = line.prefix { $0 != " " }
        return word.contains("=") || word.hasPrefix("frame")
    }

    /// `*count += 1; @ null.bpf.c:18`, and before 6.9 without the place.
    private static func source(_ text: Substring) -> LoadFailure.SourceLine {
        var text = text
        while text.last == " " { text.removeLast() }
        guard let at = text.lastIndex(of: "@"), text[..<at].hasSuffix(" "),
            let colon = text[at...].lastIndex(of: ":"),
            let line = Int(text[text.index(after: colon)...])
        else { return LoadFailure.SourceLine(text: String(text), file: nil, line: nil) }
        return LoadFailure.SourceLine(
            text: String(text[..<at].dropLast()),
            file: String(text[text.index(after: at)..<colon].drop { $0 == " " }), line: line)
    }

    /// The 4 of `infinite loop detected at insn 4`, `unreachable insn 4`, `back-edge from insn 4`.
    private static func namedInstruction(_ line: Substring) -> Int? {
        let words = line.split(separator: " ")
        guard let at = words.firstIndex(of: "insn"), at + 1 < words.count else { return nil }
        return Int(words[at + 1].filter { $0.isNumber })
    }

    /// Beginnings of lines that are no reason: the statistics, the notes of back-tracking, the two
    /// states that show an endless loop, what is said of arguments of the kernel's own types.
    private static let noise = [
        "processed ", "verification time", "stack depth", "peak_states", "mark_precise:",
        "max_states_per_insn", "cur state:", "old state:", "arg#0 reference type(", "func#",
        "Func#", "Validating ", "Live regs before insn", "last_idx ", "regs=",
        "parent didn't have regs", "parent already had regs", "caller:", "callee:",
        "returning from callee", "to caller at", "propagating ", "The sequence of subprogs",
    ]
}
