/// How deep chains of types are followed; the kernel's own limit (`MAX_RESOLVE_DEPTH`) is 32.
let maximumTypeDepth = 32

// What types are made of, for whoever walks them.
extension BTFTypes {
    /// A member of a struct or union.
    public struct Member: Sendable, Hashable {
        /// Empty for an anonymous struct or union, whose members stand in their parent.
        public let name: String
        /// As declared: may be a typedef or qualified.
        public let type: ID
        /// Bits from the start of the struct.
        public let bitOffset: Int
        /// Bits of a bitfield; `nil` for an ordinary member.
        public let bitSize: Int?
        /// Bytes from the start of the struct; of a bitfield, the byte in which it starts.
        public var offset: Int { bitOffset / 8 }
    }

    /// The members of a struct or union in their order, through typedefs and qualifiers; of any
    /// other type none. Both encodings of bitfields are understood.
    public func members(of type: ID) -> [Member] {
        guard let record = record(of: resolve(type)) else { return [] }
        guard record.kind == .structure || record.kind == .union else { return [] }
        return (0..<record.count).map { member($0, of: record) }
    }

    func member(_ index: Int, of record: Record) -> Member {
        let type = record[3 * index + 1]
        let place = record[3 * index + 2]
        let name = string(at: Int(record[3 * index]))
        guard record.kindFlag else { return plainMember(name, type, bitOffset: Int(place)) }
        let bits = Int(place >> 24)
        return Member(
            name: name, type: type, bitOffset: Int(place & 0xFF_FFFF),
            bitSize: bits == 0 ? nil : bits)
    }

    /// A member of a struct without `kind_flag`: a bitfield is one whose integer has fewer bits
    /// than its bytes hold, or does not start at a byte.
    private func plainMember(_ name: String, _ type: ID, bitOffset: Int) -> Member {
        if let int = integer(of: type), int.bits != 8 * int.size || int.bitOffset != 0 {
            return Member(
                name: name, type: type, bitOffset: bitOffset + int.bitOffset, bitSize: int.bits)
        }
        return Member(name: name, type: type, bitOffset: bitOffset, bitSize: nil)
    }

    /// An integer's properties.
    public struct Integer: Sendable, Hashable {
        /// Bytes: 1, 2, 4, 8 or 16 in a sound blob.
        public let size: Int
        /// Bits that count, `8 * size` but for bitfields in the old encoding.
        public let bits: Int
        public let bitOffset: Int
        public let isSigned: Bool
        public let isBool: Bool
        /// C's plain `char`, which in an array is text.
        public let isCharacter: Bool
    }

    /// The integer that `type` is, through typedefs and qualifiers; `nil` where it is none.
    public func integer(of type: ID) -> Integer? {
        guard let record = record(of: resolve(type)), record.kind == .int else { return nil }
        let word = record[0]
        let encoding = word >> 24 & 0xF
        let isChar = record.sizeOrType == 1 && encoding & 4 == 0
        return Integer(
            size: Int(record.sizeOrType), bits: Int(word & 0xFF), bitOffset: Int(word >> 16 & 0xFF),
            isSigned: encoding & 1 != 0, isBool: encoding & 4 != 0,
            isCharacter: isChar && (encoding & 2 != 0 || string(at: record.nameOffset) == "char"))
    }

    /// A name for a number.
    public struct Enumerator: Sendable, Hashable {
        public let name: String
        public let value: Int128
    }

    /// The enumerators of an enum or enum64 in their order, through typedefs and qualifiers; of
    /// any other type none.
    public func enumerators(of type: ID) -> [Enumerator] {
        guard let record = record(of: resolve(type)) else { return [] }
        switch record.kind {
        case .enumeration:
            return (0..<record.count).map { index in
                let bits = record[2 * index + 1]
                let value = record.kindFlag ? Int128(Int32(bitPattern: bits)) : Int128(bits)
                return Enumerator(name: string(at: Int(record[2 * index])), value: value)
            }
        case .enumeration64:
            return (0..<record.count).map { index in
                let low = UInt64(record[3 * index + 1])
                let bits = low | UInt64(record[3 * index + 2]) << 32
                let value = record.kindFlag ? Int128(Int64(bitPattern: bits)) : Int128(bits)
                return Enumerator(name: string(at: Int(record[3 * index])), value: value)
            }
        default: return []
        }
    }

    /// Whether the values of an enum are signed, as far as the compiler has told.
    public func isSignedEnumeration(_ type: ID) -> Bool {
        record(of: resolve(type))?.kindFlag ?? false
    }

    /// The type behind typedefs, `const`, `volatile`, `restrict` and type tags; `void` where that
    /// chain has no end.
    public func resolve(_ type: ID) -> ID {
        var type = type
        for _ in 0..<maximumTypeDepth {
            guard let record = record(of: type) else { return 0 }
            switch record.kind {
            case .typedef, .const, .volatile, .restrict, .typeTag: type = record.sizeOrType
            default: return type
            }
        }
        return 0
    }

    /// The element of an array and how many there are (0 for a flexible array); `nil` for another
    /// type. An array of arrays is an array whose element is one.
    public func array(of type: ID) -> (element: ID, count: Int)? {
        guard let record = record(of: resolve(type)), record.kind == .array else { return nil }
        return (record[0], Int(record[2]))
    }

    /// What a pointer points to (0 for `void *`); `nil` for another type.
    public func pointee(of type: ID) -> ID? {
        guard let record = record(of: resolve(type)), record.kind == .pointer else { return nil }
        return record.sizeOrType
    }

    /// Parameters and result of a function or its prototype; `nil` for another type.
    public func prototype(of type: ID)
        -> (parameters: [(name: String, type: ID)], result: ID)?
    {
        guard var record = record(of: resolve(type)) else { return nil }
        if record.kind == .function {
            guard let prototype = self.record(of: record.sizeOrType) else { return nil }
            record = prototype
        }
        guard record.kind == .functionPrototype else { return nil }
        let parameters = (0..<record.count).map { index in
            (string(at: Int(record[2 * index])), record[2 * index + 1])
        }
        return (parameters, record.sizeOrType)
    }

    /// Bytes of a value, through typedefs, qualifiers and arrays; `nil` for void, functions,
    /// forwards.
    public func size(of type: ID) -> Int? {
        var type = type
        var times = 1
        for _ in 0..<maximumTypeDepth {
            guard let record = record(of: type) else { return nil }
            let size: Int
            switch record.kind {
            case .typedef, .const, .volatile, .restrict, .typeTag, .variable:
                type = record.sizeOrType
                continue
            case .array:
                let (product, overflow) = times.multipliedReportingOverflow(by: Int(record[2]))
                guard !overflow else { return nil }
                times = product
                type = record[0]
                continue
            case .pointer: size = 8
            case .int, .structure, .union, .enumeration, .enumeration64, .float, .dataSection:
                size = Int(record.sizeOrType)
            default: return nil
            }
            let (product, overflow) = times.multipliedReportingOverflow(by: size)
            return overflow ? nil : product
        }
        return nil
    }
}

// Sections and tags.
extension BTFTypes {
    /// A variable of a data section.
    public struct Variable: Sendable, Hashable {
        /// The declaration's own id, on which its tags stand.
        let id: ID
        public let name: String
        public let type: ID
        /// Bytes from the start of the section.
        public let offset: Int
        public let size: Int
    }

    /// The variables of a data section, `.rodata`, in the order of their offsets.
    public func variables(in section: String) -> [Variable] {
        find(section, .dataSection).map { variables(in: $0) } ?? []
    }

    /// The variables of a data section in the order of their offsets.
    public func variables(in section: ID) -> [Variable] {
        guard let record = record(of: section), record.kind == .dataSection else { return [] }
        return (0..<record.count).compactMap { index in
            let variable = record[3 * index]
            guard let type = self.record(of: variable), type.kind == .variable else { return nil }
            return Variable(
                id: variable, name: name(of: variable), type: type.sizeOrType,
                offset: Int(record[3 * index + 1]), size: Int(record[3 * index + 2]))
        }.sorted { $0.offset < $1.offset }
    }

    /// Texts of the declaration tags on a type, or on one of its members.
    /// - Parameter type: itself, not through typedefs: a tag sits on one declaration.
    /// - Parameter member: an index into `members(of:)`, or of a parameter.
    public func declarationTags(on type: ID, member: Int? = nil) -> [String] {
        let wanted = UInt32(truncatingIfNeeded: member ?? -1)
        let own = tagIDs.compactMap { id -> String? in
            guard let record = record(of: id), record.sizeOrType == type, record[0] == wanted
            else { return nil }
            return string(at: record.nameOffset)
        }
        return (base?.declarationTags(on: type, member: member) ?? []) + own
    }
}
