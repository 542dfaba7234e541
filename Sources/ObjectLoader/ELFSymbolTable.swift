internal import Linux
internal import Loading

/// One symbol table with its names and, for `.dynsym`, its versions (LSB, "Symbol Versioning").
struct ELFSymbolTable {
    struct Symbol {
        let address: UInt64
        /// Greater is to be preferred.
        let rank: Int
    }

    private static let symbolBytes = 24
    private let symbols: [UInt8]
    private let names: [UInt8]
    /// One u16 a symbol; empty where there are none.
    private let versions: [UInt8]
    /// Names of the versions that the file defines, by their number.
    private let versionNames: [UInt16: String]

    /// `nil` where the section is no symbol table.
    init?(
        _ elf: ELFFile, _ index: Int, _ limit: Int, _ input: borrowing FileDescriptor
    ) throws(LoadFailure) {
        let section = elf.sections[index]
        let isDynamic = section.type == 11  // SHT_DYNSYM
        guard isDynamic || section.type == 2 else { return nil }  // SHT_SYMTAB
        guard elf.sections.indices.contains(Int(section.link)) else { return nil }
        symbols = try elf.contents(of: section, limit: limit, in: input)
        names = try elf.contents(of: elf.sections[Int(section.link)], limit: limit, in: input)
        guard isDynamic else {
            versions = []
            versionNames = [:]
            return
        }
        // SHT_GNU_versym, SHT_GNU_verdef
        let numbers = elf.sections.first { $0.type == 0x6fff_ffff && Int($0.link) == index }
        let definitions = elf.sections.first { $0.type == 0x6fff_fffd }
        versions =
            try numbers.map { section throws(LoadFailure) in
                try elf.contents(of: section, limit: limit, in: input)
            } ?? []
        let bytes =
            try definitions.map { section throws(LoadFailure) in
                try elf.contents(of: section, limit: limit, in: input)
            } ?? []
        versionNames = Self.versionNames(bytes, names)
    }

    /// Defined functions whose name is `wanted`; `name@VERSION` only of that version.
    func functions(named wanted: String) -> [Symbol] {
        let plain = Array(wanted.utf8.prefix { $0 != UInt8(ascii: "@") })
        let wantedVersion =
            wanted.utf8.count > plain.count
            ? String(wanted.drop { $0 != "@" }.drop { $0 == "@" }) : nil
        guard !plain.isEmpty else { return [] }
        var found: [Symbol] = []
        for index in 0..<(symbols.count / Self.symbolBytes) {
            let start = index * Self.symbolBytes
            guard let suffix = suffix(afterName: plain, at: Int(symbols.u32(start))),
                isFunction(start)
            else { continue }
            let number = version(of: index)
            let own =
                suffix.isEmpty
                ? versionNames[number & 0x7fff] : String(suffix.drop { $0 == "@" })
            if let wantedVersion, own != wantedVersion { continue }
            // `name@VERSION` in .symtab and bit 15 in .dynsym mark what is not the default.
            let isHidden =
                suffix.isEmpty
                ? number & 0x8000 != 0 : suffix.hasPrefix("@") && !suffix.hasPrefix("@@")
            let binding = [1: 2, 10: 2, 2: 1][symbols[start + 4] >> 4] ?? 0
            found.append(
                Symbol(
                    address: symbols.u64(start + 8), rank: binding * 2 + (isHidden ? 0 : 1)))
        }
        return found
    }

    /// Defined functions whose name, without its version, matches.
    func functions(matching pattern: GlobPattern) -> [Symbol] {
        (0..<(symbols.count / Self.symbolBytes)).compactMap { index in
            let start = index * Self.symbolBytes
            guard isFunction(start), let name = names.name(at: Int(symbols.u32(start))),
                pattern.matches(String(name.prefix { $0 != "@" }))
            else { return nil }
            return Symbol(address: symbols.u64(start + 8), rank: 0)
        }
    }

    /// Names of all defined functions, without versions.
    var functionNames: [String] {
        (0..<(symbols.count / Self.symbolBytes)).compactMap { index in
            let start = index * Self.symbolBytes
            guard isFunction(start), let name = names.name(at: Int(symbols.u32(start))) else {
                return nil
            }
            return String(name.prefix { $0 != "@" })
        }
    }

    /// STT_FUNC or STT_GNU_IFUNC with a section of its own.
    private func isFunction(_ start: Int) -> Bool {
        let kind = symbols[start + 4] & 0xf
        return (kind == 2 || kind == 10) && symbols.u16(start + 6) != 0
    }

    /// What follows the name at a place: nothing or `@@VERSION`; `nil` where it is another name.
    private func suffix(afterName plain: [UInt8], at start: Int) -> String? {
        guard start < names.count, plain.count <= names.count - start else { return nil }
        for index in plain.indices where names[start + index] != plain[index] { return nil }
        let rest = names[(start + plain.count)...].prefix { $0 != 0 }
        guard let first = rest.first else { return "" }
        return first == UInt8(ascii: "@") ? String(decoding: rest, as: UTF8.self) : nil
    }

    private func version(of index: Int) -> UInt16 {
        index * 2 + 2 <= versions.count ? versions.u16(index * 2) : 1
    }

    /// `Elf64_Verdef` entries, each with its name in the first `Elf64_Verdaux`.
    private static func versionNames(_ bytes: [UInt8], _ names: [UInt8]) -> [UInt16: String] {
        var found: [UInt16: String] = [:]
        var start = 0
        // A chain that does not end is cut by the number of entries that fit.
        for _ in 0...(bytes.count / 20) {
            guard start + 20 <= bytes.count else { break }
            let auxiliary = start + Int(bytes.u32(start + 12))
            if auxiliary + 8 <= bytes.count {
                found[bytes.u16(start + 4)] = names.name(at: Int(bytes.u32(auxiliary)))
            }
            let next = Int(bytes.u32(start + 16))
            guard next > 0 else { break }
            start += next
        }
        return found
    }
}
