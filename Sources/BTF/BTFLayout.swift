/// The two sections of a blob, cut out by its header.
struct BTFSections {
    let words: [UInt32]
    let strings: [UInt8]

    init(_ bytes: [UInt8]) throws(BTFError) {
        guard bytes.count >= 24 else {
            throw BTFError("BTF of \(bytes.count) bytes: its header alone has 24")
        }
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        }
        switch (bytes[0], bytes[1]) {
        case (0x9F, 0xEB): break
        case (0xEB, 0x9F): throw BTFError("BTF of a big-endian machine")
        default: throw BTFError("not BTF: its first bytes are not 9f eb")
        }
        guard bytes[2] == 1 else { throw BTFError("BTF of version \(bytes[2]), 1 is known") }
        let header = Int(word(4))
        guard header >= 24, header <= bytes.count else {
            throw BTFError("a BTF header of \(header) bytes in \(bytes.count)")
        }
        let typeRange = try Self.range(word(8), word(12), header, bytes.count, "type")
        let stringRange = try Self.range(word(16), word(20), header, bytes.count, "string")
        guard typeRange.count % 4 == 0 else {
            throw BTFError("a BTF type section of \(typeRange.count) bytes, not a multiple of 4")
        }
        strings = Array(bytes[stringRange])
        // A split blob's strings start inside its base's and need not begin with the empty one.
        if let last = strings.last, last != 0 {
            throw BTFError("the BTF string section does not end in NUL")
        }
        words = unsafe [UInt32](unsafeUninitializedCapacity: typeRange.count / 4) { words, count in
            // SAFETY: both are `typeRange.count` bytes, the range lies within `bytes`, and the
            // array of words is new.
            unsafe UnsafeMutableRawBufferPointer(words).copyBytes(from: bytes[typeRange])
            count = typeRange.count / 4
        }
    }

    private static func range(
        _ start: UInt32, _ size: UInt32, _ header: Int, _ count: Int, _ section: String
    ) throws(BTFError) -> Range<Int> {
        let (first, end) = (header + Int(start), header + Int(start) + Int(size))
        guard end <= count else {
            throw BTFError("the BTF \(section) section ends at \(end), the blob at \(count)")
        }
        return first..<end
    }
}

/// Walks the type section once: where each type starts, and that nothing points outside.
struct BTFLayout {
    private let words: [UInt32]
    private let firstID: UInt32
    let firstString: Int
    private let endOfStrings: Int
    private(set) var offsets: [UInt32] = []
    private(set) var tagIDs: [UInt32] = []

    init(_ sections: BTFSections, firstID: UInt32, firstString: Int?) {
        words = sections.words
        self.firstID = firstID
        self.firstString = firstString ?? 0
        endOfStrings = self.firstString + sections.strings.count
    }

    mutating func walk() throws(BTFError) {
        var position = 0
        offsets.reserveCapacity(words.count / 6)
        while position < words.count {
            let id = Int(firstID) + offsets.count
            guard position + 3 <= words.count else { throw cut(id) }
            let info = words[position + 1]
            guard let kind = BTFTypes.Kind(number: info >> 24 & 0x1F), kind != .void else {
                throw BTFError("type \(id) has the unknown kind \(info >> 24 & 0x1F)")
            }
            let extra = kind.extraWords(Int(info & 0xFFFF))
            guard position + 3 + extra <= words.count else { throw cut(id) }
            if kind == .declarationTag { tagIDs.append(UInt32(id)) }
            offsets.append(UInt32(position))
            position += 3 + extra
        }
        let end = firstID + UInt32(offsets.count)
        for index in offsets.indices { try check(index, end) }
    }

    private func cut(_ id: Int) -> BTFError {
        BTFError("the BTF type section ends inside type \(id)")
    }

    /// Names lie within the strings and ids below `end`.
    private func check(_ index: Int, _ end: UInt32) throws(BTFError) {
        let start = Int(offsets[index])
        let info = words[start + 1]
        let kind = BTFTypes.Kind(number: info >> 24 & 0x1F) ?? .void
        try check(name: words[start], index)
        if kind.refersToType { try check(type: words[start + 2], index, end) }
        let first = start + 3
        switch kind {
        case .array:
            try check(type: words[first], index, end)
            try check(type: words[first + 1], index, end)
        case .structure, .union:
            for member in 0..<Int(info & 0xFFFF) {
                try check(name: words[first + 3 * member], index)
                try check(type: words[first + 3 * member + 1], index, end)
            }
        case .enumeration, .enumeration64:
            let stride = kind == .enumeration ? 2 : 3
            for enumerator in 0..<Int(info & 0xFFFF) {
                try check(name: words[first + stride * enumerator], index)
            }
        case .functionPrototype:
            for parameter in 0..<Int(info & 0xFFFF) {
                try check(name: words[first + 2 * parameter], index)
                try check(type: words[first + 2 * parameter + 1], index, end)
            }
        case .dataSection:
            for variable in 0..<Int(info & 0xFFFF) {
                try check(type: words[first + 3 * variable], index, end)
            }
        default: break
        }
    }

    private func check(name: UInt32, _ index: Int) throws(BTFError) {
        // 0 is "no name" even where there are no strings.
        guard name == 0 || name < endOfStrings else {
            throw BTFError(
                "type \(Int(firstID) + index) has a name at \(name), "
                    + "the strings end at \(endOfStrings)"
            )
        }
    }

    private func check(type: UInt32, _ index: Int, _ end: UInt32) throws(BTFError) {
        guard type < end else {
            throw BTFError(
                "type \(Int(firstID) + index) refers to type \(type), the last is \(end - 1)")
        }
    }
}

extension BTFTypes.Kind {
    /// Words behind the three that every type has.
    fileprivate func extraWords(_ count: Int) -> Int {
        switch self {
        case .int, .variable, .declarationTag: 1
        case .array: 3
        case .structure, .union, .dataSection, .enumeration64: 3 * count
        case .enumeration, .functionPrototype: 2 * count
        default: 0
        }
    }

    /// Whether the third word is a type's id.
    fileprivate var refersToType: Bool {
        switch self {
        case .pointer, .typedef, .volatile, .const, .restrict, .function, .functionPrototype,
            .variable, .declarationTag, .typeTag:
            true
        default: false
        }
    }
}
