import Glibc
import Linux
import Loading
import Testing

@Suite struct LoaderSymbolTests {
    private static let loader: Loader = {
        let directory = FileSystem.parent(of: CommandLine.arguments[0])
        return Loader(executable: directory + "/apiary-loader")
    }()

    /// The file and offset of a function in this process, from where it was mapped.
    private func place(of name: String) throws -> (path: String, offset: UInt64) {
        let symbol = unsafe dlsym(nil, name)
        let address = UInt64(UInt(bitPattern: symbol))
        let maps = try FileSystem.read("/proc/self/maps")
        for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            let range = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard fields.count == 6, range.count == 2, range[0]..<range[1] ~= address,
                let offset = UInt64(fields[2], radix: 16)
            else { continue }
            return (String(fields[5]), address - range[0] + offset)
        }
        throw Errno.enoent
    }

    @Test func `offsets in libc are where the functions are mapped from`() throws {
        let names = ["getppid", "getpid", "malloc", "free", "opendir", "qsort"]
        let places = try names.map { try place(of: $0) }
        let libc = places[0].path
        // malloc may come from elsewhere, from a sanitizer's library.
        let inside = zip(names, places).filter { $0.1.path == libc }
        #expect(inside.count >= 4)
        let offsets = try Self.loader.offsets(of: inside.map(\.0), in: libc)
        #expect(offsets == inside.map(\.1.offset))
    }

    @Test func `a name may carry a version`() throws {
        let (libc, offset) = try place(of: "getppid")
        let version = try #require(
            ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.27"].first { version in
                // Which one it is depends on the architecture.
                (try? Self.loader.offsets(of: ["getppid@\(version)"], in: libc)) == [offset]
            })
        #expect(try Self.loader.offsets(of: ["getppid@@\(version)"], in: libc) == [offset])
        #expect(throws: LoadFailure.self) {
            try Self.loader.offsets(of: ["getppid@GLIBC_0.1"], in: libc)
        }
    }

    @Test func `a missing symbol is the request's failure with near names`() throws {
        let (libc, _) = try place(of: "getppid")
        let failure = try #require(throws: LoadFailure.self) {
            try Self.loader.offsets(of: ["getpid", "getppidd"], in: libc)
        }
        #expect(failure.stage == .request)
        #expect(failure.pointer == "/symbols/1")
        #expect(failure.message.contains("\"getppid\""))
    }

    @Test func `data is no function`() throws {
        let (libc, _) = try place(of: "getppid")
        let failure = try #require(throws: LoadFailure.self) {
            try Self.loader.offsets(of: ["environ"], in: libc)
        }
        #expect(failure.stage == .request)
    }

    @Test func `functions of an executable that is not stripped are found`() throws {
        // This test's own binary.
        let path = "/proc/self/exe"
        let offsets = try Self.loader.offsets(of: ["main"], in: path)
        #expect(offsets.count == 1)
        #expect(offsets[0] > 0)
    }

    @Test(arguments: ["/nonexistent", "/proc/self", "/dev/null", "/etc/passwd"])
    func `what is no ELF file is refused`(path: String) throws {
        let failure = try #require(throws: LoadFailure.self) {
            try Self.loader.offsets(of: ["main"], in: path)
        }
        #expect(failure.stage == .request || failure.stage == .elf)
    }

    @Test func `a library that was cut or damaged anywhere is refused or read, never a crash`()
        throws
    {
        let (libc, _) = try place(of: "getppid")
        let whole = try FileSystem.read(libc)
        let directory = "/tmp/loader-symbols-\(UInt64.random(in: 0...(.max)))"
        try FileSystem.makeDirectory(directory)
        defer {
            // Left behind, it would only be litter under /tmp.
            try? FileSystem.removeTree(directory)
        }
        let path = directory + "/library"
        for count in [0, 1, 4, 63, 64, 100, 1000, 4096, whole.count / 2, whole.count - 1] {
            let piece = Array(whole.prefix(count))
            try FileSystem.replace(path, with: piece.span)
            let failure = try #require(throws: LoadFailure.self) {
                try Self.loader.offsets(of: ["getppid"], in: path)
            }
            #expect(failure.stage == .elf, "\(count): \(failure.message)")
        }
        // Every byte of the header that counts or points somewhere, made large.
        for place in 24..<64 {
            var damaged = whole
            damaged[place] = 0xff
            try FileSystem.replace(path, with: damaged.span)
            do throws(LoadFailure) {
                _ = try Self.loader.offsets(of: ["getppid"], in: path)
            } catch {
                #expect(error.stage == .elf || error.stage == .request, "\(place): \(error)")
            }
        }
    }
}
