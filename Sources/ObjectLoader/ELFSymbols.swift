internal import JSON
internal import Linux
internal import Loading

/// Finds functions in the symbol tables of an executable or library.
enum ELFSymbols {
    private static let mostTableBytes = 512 << 20

    /// File offsets, as a uprobe takes them, one for each name in its order.
    ///
    /// `.symtab` and `.dynsym` are both read. A global symbol is preferred to a weak one, that to a
    /// local one, and a default version to a hidden one. `name@VERSION` asks for one version.
    /// - Throws: `request` with near names where one is missing or means two places.
    static func offsets(of names: [String], in input: borrowing FileDescriptor)
        throws(LoadFailure) -> [UInt64]
    {
        let elf = try ELFFile(input)
        let tables = try tables(of: elf, input)
        var offsets: [UInt64] = []
        for (index, name) in names.enumerated() {
            let pointer = JSONPointer.root.appending("symbols").appending(index).description
            guard let symbol = try find(name, in: tables, pointer) else {
                throw missing(name, tables, pointer)
            }
            guard let offset = offset(of: symbol, in: elf) else {
                throw LoadFailure(
                    .request,
                    "symbol \"\(name)\" at address \(symbol.address) is in no segment "
                        + "of the file that is executable", pointer: pointer)
            }
            offsets.append(offset)
        }
        return offsets
    }

    /// Places of all functions whose names match, each once, sorted. What lies in no segment that
    /// is executable is left out.
    /// - Throws: `request` where none matches, with near names, or more than `most` do.
    static func offsets(
        matching pattern: GlobPattern, _ most: Int, in input: borrowing FileDescriptor
    ) throws(LoadFailure) -> [UInt64] {
        let elf = try ELFFile(input)
        let tables = try tables(of: elf, input)
        var found: Set<UInt64> = []
        for table in tables {
            for symbol in table.functions(matching: pattern) {
                if let offset = offset(of: symbol, in: elf) { found.insert(offset) }
            }
        }
        guard !found.isEmpty else { throw missing(pattern.text, tables, "/matching") }
        guard found.count <= most else {
            throw LoadFailure(
                .request,
                "\(found.count) functions of the file match \"\(pattern.text)\"; \(most) are taken",
                pointer: "/matching")
        }
        return found.sorted()
    }

    private static func tables(of elf: ELFFile, _ input: borrowing FileDescriptor)
        throws(LoadFailure) -> [ELFSymbolTable]
    {
        guard elf.type != ELFFile.typeRelocatable else {
            throw LoadFailure(.elf, "the ELF file is an object file: it has no place in memory")
        }
        var tables: [ELFSymbolTable] = []
        for index in elf.sections.indices {
            if let table = try ELFSymbolTable(elf, index, mostTableBytes, input) {
                tables.append(table)
            }
        }
        guard !tables.isEmpty else {
            throw LoadFailure(.request, "the ELF file has no symbol table: it was stripped")
        }
        return tables
    }

    private static func find(_ name: String, in tables: [ELFSymbolTable], _ pointer: String)
        throws(LoadFailure) -> ELFSymbolTable.Symbol?
    {
        var best: [ELFSymbolTable.Symbol] = []
        for table in tables {
            for symbol in table.functions(named: name) {
                if let present = best.first, present.rank > symbol.rank { continue }
                if let present = best.first, present.rank < symbol.rank { best = [] }
                if !best.contains(where: { $0.address == symbol.address }) { best.append(symbol) }
            }
        }
        guard best.count <= 1 else {
            throw LoadFailure(
                .request,
                "symbol \"\(name)\" means \(best.count) places in the file: give an offset",
                pointer: pointer)
        }
        return best.first
    }

    private static func missing(
        _ name: String, _ tables: [ELFSymbolTable], _ pointer: String
    ) -> LoadFailure {
        let plain = String(name.prefix { $0 != "@" })
        let near = NearMatches.clause(for: plain, among: tables.lazy.flatMap(\.functionNames))
        return LoadFailure(
            .request, "the file has no function symbol \"\(name)\"\(near)", pointer: pointer)
    }

    private static func offset(of symbol: ELFSymbolTable.Symbol, in elf: ELFFile) -> UInt64? {
        elf.offset(ofAddress: symbol.address, inExecutable: true)
    }
}
