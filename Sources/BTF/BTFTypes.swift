import Synchronization

/// Why bytes are not BTF that can be used.
public struct BTFError: Error, Sendable, Hashable {
    /// A clause: "the type section ends inside type 12".
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// The types of one BTF blob (Documentation/bpf/btf.rst), little-endian, parsed once, immutable.
///
/// Holds the blob's two sections and one offset a type, no object per type: the kernel's 5 MB with
/// 130,000 types take 6 MB. Every reference in it was checked when it was parsed, so asking cannot
/// fail; an id that the blob does not have is treated as `void`. Any thread.
public final class BTFTypes: Sendable {
    public typealias ID = UInt32

    /// `BTF_KIND_…`; `structure` is `STRUCT`, `forward` is `FWD`.
    public enum Kind: Sendable, Hashable {
        case void, int, pointer, array, structure, union, enumeration, forward, typedef, volatile
        case const, restrict, function, functionPrototype, variable, dataSection, float
        case declarationTag, typeTag, enumeration64
    }

    /// Those of the kernel, where this is the split BTF of a module.
    public let base: BTFTypes?
    /// Ids below this are the base's (only `void` where there is none).
    let firstID: ID
    /// Ids are below this; `void` is 0 and counts.
    public let count: Int

    /// The type section.
    let words: [UInt32]
    /// Where in `words` the type `firstID + index` starts.
    let offsets: [UInt32]
    /// The string section; ends in NUL.
    let strings: [UInt8]
    /// Offsets below this are into the base's strings.
    let firstString: Int
    let tagIDs: [ID]
    private let index = Mutex<NameIndex?>(nil)

    /// The raw section again; `nil` of split BTF, which needs its base.
    public var bytes: [UInt8]? {
        guard base == nil else { return nil }
        let size = UInt32(4 * words.count)
        // struct btf_header: magic and version, its size, types at 0, strings behind them.
        let header: [UInt32] = [0x0001_EB9F, 24, 0, size, size, UInt32(strings.count)]
        return (header + words).flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        } + strings
    }

    /// - Parameter bytes: the raw section, as in `/sys/kernel/btf/vmlinux` or
    ///   `BPF_OBJ_GET_INFO_BY_FD`.
    /// - Parameter base: the kernel's types where `bytes` is split BTF (a module's).
    /// - Throws: what is wrong with the bytes, for bytes of any content; never traps.
    public init(parsing bytes: [UInt8], base: BTFTypes? = nil) throws(BTFError) {
        let sections = try BTFSections(bytes)
        let firstID = ID(base?.count ?? 1)
        var layout = BTFLayout(
            sections, firstID: firstID, firstString: base.map { $0.firstString + $0.strings.count })
        try layout.walk()
        self.base = base
        self.firstID = firstID
        count = Int(firstID) + layout.offsets.count
        words = sections.words
        strings = sections.strings
        offsets = layout.offsets
        firstString = layout.firstString
        tagIDs = layout.tagIDs
    }

    /// The type's own kind: a typedef is a typedef; `resolve` looks through it.
    public func kind(of type: ID) -> Kind { record(of: type)?.kind ?? .void }

    /// Empty where the type has none.
    public func name(of type: ID) -> String {
        guard let record = record(of: type) else { return "" }
        return string(at: record.nameOffset)
    }

    /// A text of the strings, as line information refers to them; empty beyond their end.
    public func text(at offset: UInt32) -> String { string(at: Int(offset)) }

    /// The first type of this name and kind, the base's before this blob's own.
    ///
    /// The first call makes an index of the names (a few milliseconds for the kernel's).
    public func find(_ name: String, _ kind: Kind) -> ID? {
        if let found = base?.find(name, kind) { return found }
        guard !name.isEmpty else { return nil }
        return index.withLock { index in
            let names = index ?? NameIndex(self)
            index = names
            return names.first(name, in: self) { self.kind(of: $0) == kind }
        }
    }
}

// What is in the sections.
extension BTFTypes {
    /// One type's words. `nil` is `void`.
    struct Record {
        let types: BTFTypes
        /// Where it starts in the type section of `types`.
        let start: Int

        var nameOffset: Int { Int(types.words[start]) }
        private var info: UInt32 { types.words[start + 1] }
        var kind: Kind { Kind(number: info >> 24 & 0x1F) ?? .void }
        /// `vlen`: members, enumerators, parameters.
        var count: Int { Int(info & 0xFFFF) }
        var kindFlag: Bool { info >> 31 == 1 }
        /// `size` or `type`, by kind.
        var sizeOrType: UInt32 { types.words[start + 2] }
        /// A word behind the three that all have.
        subscript(_ word: Int) -> UInt32 { types.words[start + 3 + word] }
    }

    func record(of type: ID) -> Record? {
        if type < firstID { return base?.record(of: type) }
        let index = Int(type - firstID)
        guard index < offsets.count else { return nil }
        return Record(types: self, start: Int(offsets[index]))
    }

    /// Longer names than the kernel takes (511 bytes) are cut at 1023, so that a small blob cannot
    /// make large texts.
    func string(at offset: Int) -> String {
        withName(at: offset) { strings, start in
            let longest = strings[start...].prefix(1024)
            let end = longest.firstIndex(of: 0) ?? longest.endIndex - 1
            return String(decoding: strings[start..<end], as: UTF8.self)
        }
    }
}

extension BTFTypes.Kind {
    init?(number: UInt32) {
        switch number {
        case 0: self = .void
        case 1: self = .int
        case 2: self = .pointer
        case 3: self = .array
        case 4: self = .structure
        case 5: self = .union
        case 6: self = .enumeration
        case 7: self = .forward
        case 8: self = .typedef
        case 9: self = .volatile
        case 10: self = .const
        case 11: self = .restrict
        case 12: self = .function
        case 13: self = .functionPrototype
        case 14: self = .variable
        case 15: self = .dataSection
        case 16: self = .float
        case 17: self = .declarationTag
        case 18: self = .typeTag
        case 19: self = .enumeration64
        default: return nil
        }
    }
}
