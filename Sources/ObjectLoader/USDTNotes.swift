internal import Linux
internal import Loading

/// Finds USDT probes in the notes of an executable or library.
enum USDTNotes {
    private struct Note {
        let location: UInt64
        let base: UInt64
        let semaphore: UInt64
        let provider: String
        let name: String
        let arguments: String
    }

    private static let mostBytes = 64 << 20
    /// As for functions by pattern: more places on one link make attaching take seconds.
    private static let mostSites = 10_000

    /// All places of one probe, in the file's order.
    /// - Throws: `request` where the file has no such probe, with near ones; `elf`.
    static func sites(
        provider: String, name: String, in input: borrowing FileDescriptor
    ) throws(LoadFailure) -> [USDTSite] {
        let elf = try ELFFile(input)
        guard elf.type != ELFFile.typeRelocatable else {
            throw LoadFailure(.elf, "the ELF file is an object file: it has no place in memory")
        }
        guard
            let bytes = try elf.contents(ofSection: ".note.stapsdt", limit: mostBytes, in: input)
        else {
            throw LoadFailure(
                .request, "the file has no USDT probes: there is no section .note.stapsdt",
                pointer: "/usdt")
        }
        let notes = notes(in: bytes)
        let wanted = notes.filter { $0.provider == provider && $0.name == name }
        guard !wanted.isEmpty else { throw missing(provider, name, notes) }
        guard wanted.count <= mostSites else {
            throw LoadFailure(
                .request, "\(provider):\(name) has \(wanted.count) places; \(mostSites) are taken",
                pointer: "/usdt")
        }
        // Prelink moves code and notes apart: by as much as this section's address tells.
        let base = try elf.section(named: ".stapsdt.base", in: input)?.address
        var sites: [USDTSite] = []
        for note in wanted { sites.append(try site(note, elf, base)) }
        return sites
    }

    private static func site(_ note: Note, _ elf: ELFFile, _ base: UInt64?) throws(LoadFailure)
        -> USDTSite
    {
        let moved = note.base == 0 ? 0 : (base ?? note.base) &- note.base
        let location = note.location &+ moved
        guard let offset = elf.offset(ofAddress: location, inExecutable: true) else {
            throw LoadFailure(
                .elf, "\(note.provider):\(note.name) is at \(location), outside the file's code")
        }
        var semaphore: UInt64 = 0
        if note.semaphore != 0 {
            let address = note.semaphore &+ moved
            guard let found = elf.offset(ofAddress: address, inExecutable: false) else {
                throw LoadFailure(
                    .elf,
                    "the semaphore of \(note.provider):\(note.name) is at \(address), outside the "
                        + "file's data")
            }
            semaphore = found
        }
        let arguments: [USDTSite.Argument]
        switch USDTArguments.parse(note.arguments) {
        case .success(let parsed): arguments = parsed
        case .failure(let unreadable):
            throw LoadFailure(
                .request,
                "\(note.provider):\(note.name) has the argument \"\(unreadable.text)\", which is "
                    + "in no register or memory that can be read", pointer: "/usdt")
        }
        guard arguments.count <= USDTSite.mostArguments else {
            throw LoadFailure(
                .request,
                "\(note.provider):\(note.name) has \(arguments.count) arguments; "
                    + "\(USDTSite.mostArguments) are taken", pointer: "/usdt")
        }
        return USDTSite(
            offset: offset, semaphoreOffset: semaphore,
            address: elf.type == ELFFile.typeExecutable ? location : nil, arguments: arguments)
    }

    /// Entries of elf(5)'s form: three sizes, the owner's name, what it says; padded to four.
    private static func notes(in bytes: [UInt8]) -> [Note] {
        var found: [Note] = []
        var start = 0
        while start + 12 <= bytes.count {
            let nameSize = Int(bytes.u32(start))
            let size = Int(bytes.u32(start + 4))
            let type = bytes.u32(start + 8)
            let name = start + 12
            let content = name + (nameSize + 3) / 4 * 4
            guard content <= bytes.count, size <= bytes.count - content else { break }
            if type == 3, bytes.hasName("stapsdt", at: name),
                let note = note(bytes, content, content + size)
            {
                found.append(note)
            }
            start = content + (size + 3) / 4 * 4
        }
        return found
    }

    /// Three addresses and three texts.
    private static func note(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Note? {
        guard end - start > 24 else { return nil }
        let texts = bytes[(start + 24)..<end].split(
            separator: 0, maxSplits: 3, omittingEmptySubsequences: false
        ).map { String(decoding: $0, as: UTF8.self) }
        guard texts.count >= 3 else { return nil }
        return Note(
            location: bytes.u64(start), base: bytes.u64(start + 8),
            semaphore: bytes.u64(start + 16), provider: texts[0], name: texts[1],
            arguments: texts[2])
    }

    private static func missing(_ provider: String, _ name: String, _ notes: [Note])
        -> LoadFailure
    {
        let known = Set(notes.map { "\($0.provider):\($0.name)" })
        let near = NearMatches.clause(for: "\(provider):\(name)", among: known)
        let providers = Set(notes.map(\.provider)).sorted().prefix(8).joined(separator: ", ")
        return LoadFailure(
            .request,
            "the file has no USDT probe \"\(provider):\(name)\""
                + (near.isEmpty ? "; its providers: \(providers)" : near), pointer: "/usdt")
    }
}
