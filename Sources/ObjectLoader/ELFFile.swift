internal import Linux
internal import Loading

/// The headers of a 64-bit little-endian ELF file (elf(5)), read from a descriptor piece by piece:
/// an executable can be hundreds of megabytes, and what is needed of it is little.
///
/// Nothing in the file is trusted: each offset and count is checked, each table has a limit.
struct ELFFile {
    struct Section {
        let nameOffset: UInt32
        let type: UInt32
        let link: UInt32
        let information: UInt32
        let address: UInt64
        let offset: UInt64
        let size: UInt64
    }

    /// A `PT_LOAD` program header: which bytes of the file lie where in memory.
    struct Segment {
        let isExecutable: Bool
        let offset: UInt64
        let address: UInt64
        let fileSize: UInt64
    }

    static let machineNone: UInt16 = 0
    static let machineBPF: UInt16 = 247
    static let typeRelocatable: UInt16 = 1
    static let typeExecutable: UInt16 = 2

    /// `ET_REL`, `ET_EXEC`, `ET_DYN`.
    let type: UInt16
    let machine: UInt16
    let sections: [Section]
    let segments: [Segment]
    private let nameSection: Int

    private static let headerBytes = 64
    private static let sectionBytes = 64
    private static let segmentBytes = 56
    private static let mostEntries = 1 << 20

    /// - Throws: `elf` where the file is none of this class, or its headers point outside it.
    init(_ input: borrowing FileDescriptor) throws(LoadFailure) {
        let header = try Self.read(input, at: 0, count: Self.headerBytes, isExact: false)
        guard !header.isEmpty else { throw LoadFailure(.elf, "the file is empty") }
        guard header.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
            throw LoadFailure(.elf, "the file is not ELF: it does not begin with 7f 45 4c 46")
        }
        guard header.count == Self.headerBytes else {
            throw LoadFailure(
                .elf, "the ELF file ends inside its header, after \(header.count) of 64 bytes")
        }
        guard header[4] == 2, header[5] == 1 else {
            throw LoadFailure(
                .elf,
                "the ELF file is of class \(header[4]) and byte order \(header[5]); "
                    + "64-bit (2) and little-endian (1) is what is supported")
        }
        type = header.u16(16)
        machine = header.u16(18)
        let sectionTable = Int(clamping: header.u64(40))
        var sectionCount = Int(header.u16(60))
        var nameSection = Int(header.u16(62))
        if sectionTable > 0, sectionCount == 0 || nameSection == 0xffff {
            // Numbers that do not fit stand in the first section's header.
            let first = try Self.read(input, at: sectionTable, count: Self.sectionBytes)
            if sectionCount == 0 { sectionCount = Int(clamping: first.u64(32)) }
            if nameSection == 0xffff { nameSection = Int(first.u32(40)) }
        }
        self.nameSection = nameSection
        sections = try Self.table(
            input, at: sectionTable, count: sectionTable > 0 ? sectionCount : 0,
            entryBytes: Self.sectionBytes
        ) { bytes, start in
            Section(
                nameOffset: bytes.u32(start), type: bytes.u32(start + 4),
                link: bytes.u32(start + 40), information: bytes.u32(start + 44),
                address: bytes.u64(start + 16),
                offset: bytes.u64(start + 24), size: bytes.u64(start + 32))
        }
        segments = try Self.table(
            input, at: Int(clamping: header.u64(32)), count: Int(header.u16(56)),
            entryBytes: Self.segmentBytes
        ) { bytes, start in
            guard bytes.u32(start) == 1 else { return nil }
            return Segment(
                isExecutable: bytes.u32(start + 4) & 1 != 0, offset: bytes.u64(start + 8),
                address: bytes.u64(start + 16), fileSize: bytes.u64(start + 32))
        }
    }

    /// The bytes of the first section of this name; `nil` where there is none.
    /// - Throws: `elf` where it is longer than `limit` or lies outside the file.
    func contents(ofSection name: String, limit: Int, in input: borrowing FileDescriptor)
        throws(LoadFailure) -> [UInt8]?
    {
        guard let section = try section(named: name, in: input) else { return nil }
        return try contents(of: section, limit: limit, in: input)
    }

    /// The first section of this name; `nil` where there is none.
    func section(named name: String, in input: borrowing FileDescriptor) throws(LoadFailure)
        -> Section?
    {
        guard sections.indices.contains(nameSection) else { return nil }
        let names = try contents(of: sections[nameSection], limit: 16 << 20, in: input)
        return sections.first { names.hasName(name, at: Int($0.nameOffset)) }
    }

    /// Where in the file an address lies; `nil` where it is in no segment, or in one of the other
    /// sort.
    func offset(ofAddress address: UInt64, inExecutable isExecutable: Bool) -> UInt64? {
        for segment in segments where segment.isExecutable == isExecutable {
            guard address >= segment.address, address - segment.address < segment.fileSize else {
                continue
            }
            let (offset, overflow) = segment.offset.addingReportingOverflow(
                address - segment.address)
            return overflow ? nil : offset
        }
        return nil
    }

    /// - Throws: `elf` where it is longer than `limit` or lies outside the file.
    func contents(of section: Section, limit: Int, in input: borrowing FileDescriptor)
        throws(LoadFailure) -> [UInt8]
    {
        guard section.type != 8 else { return [] }  // SHT_NOBITS: takes no bytes of the file
        guard section.size <= UInt64(limit) else {
            throw LoadFailure(
                .elf, "a section of the ELF file has \(section.size) bytes; \(limit) are taken")
        }
        return try Self.read(input, at: Int(clamping: section.offset), count: Int(section.size))
    }

    private static func table<Entry>(
        _ input: borrowing FileDescriptor, at offset: Int, count: Int, entryBytes: Int,
        _ decode: ([UInt8], Int) -> Entry?
    ) throws(LoadFailure) -> [Entry] {
        guard count > 0 else { return [] }
        guard count <= mostEntries else {
            throw LoadFailure(
                .elf, "the ELF file has \(count) headers of one kind; \(mostEntries) are taken")
        }
        let bytes = try read(input, at: offset, count: count * entryBytes)
        return (0..<count).compactMap { decode(bytes, $0 * entryBytes) }
    }

    private static func read(
        _ input: borrowing FileDescriptor, at offset: Int, count: Int, isExact: Bool = true
    ) throws(LoadFailure) -> [UInt8] {
        guard count > 0 else { return [] }
        let size: Int
        let bytes: [UInt8]
        do {
            // Asked first, so that a forged length costs no memory.
            size = try input.size()
            let there = max(0, min(count, offset <= size ? size - offset : 0))
            bytes = there > 0 ? try input.read(at: offset, atMost: there) : []
        } catch {
            throw LoadFailure(.elf, "the ELF file cannot be read: \(error)", errno: error)
        }
        guard !isExact || bytes.count == count else {
            throw LoadFailure(
                .elf, "the ELF file has \(size) bytes and points to \(count) at \(offset)")
        }
        return bytes
    }
}

/// Little-endian integers at a place; that it lies inside the bytes is the caller's duty.
extension [UInt8] {
    func u16(_ at: Int) -> UInt16 { UInt16(self[at]) | UInt16(self[at + 1]) << 8 }
    func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) | UInt32(u16(at + 2)) << 16 }
    func u64(_ at: Int) -> UInt64 { UInt64(u32(at)) | UInt64(u32(at + 4)) << 32 }

    /// Whether exactly this text, and its NUL, stands at a place that may be anywhere.
    func hasName(_ name: String, at start: Int) -> Bool {
        guard start >= 0, start < count else { return false }
        var place = start
        for byte in name.utf8 {
            guard place < count, self[place] == byte, byte != 0 else { return false }
            place += 1
        }
        return place < count && self[place] == 0
    }

    /// The text up to the NUL at a place that may be anywhere.
    func name(at start: Int) -> String? {
        guard start >= 0, start < count else { return nil }
        return String(decoding: self[start...].prefix { $0 != 0 }, as: UTF8.self)
    }
}
