internal import CLibbpf
internal import JSON
internal import Linux
internal import Loading

/// Opens a tiny object of its own and writes a report, so that the pages of libbpf, libelf and of
/// this program that every load needs are there before the load.
///
/// Nothing is loaded: the kernel sees none of it.
public enum WarmUp {
    /// - Returns: whether all went as it should.
    @discardableResult
    public static func run() -> Bool {
        LibbpfLog.capture()
        defer { LibbpfLog.clear() }
        do {
            let bytes = object()
            let file = try MemoryFile("apiary-warm-up", holding: bytes.span)
            var request = LoadRequest()
            request.pinDirectory = "/"
            let task = LoaderTask(.load(request), limits: LoaderLimits()).json.serialized()
            _ = LoaderTask(json: try JSONValue.parse(task.span))
            let report = try ObjectLoader.rehearse(file.descriptor)
            let answer = LoaderAnswer.report(report).json.serialized()
            return LibbpfLog.text == nil && !answer.isEmpty
        } catch {
            // Then the load itself is the first.
            return false
        }
    }

    /// An object with one function that returns 0, and one type.
    private static func object() -> [UInt8] {
        let names = "\0.strtab\0.symtab\0socket\0.BTF\0license\0f\0"
        let types =
            words(0x1_eb9f, 24, 0, 16, 16, 5) + words(1, 1 << 24, 4, 0x0100_0020)
            + Array("\0int\0".utf8)
        let code: [UInt8] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
        // A nameless symbol and `f`, a global function in section 3.
        let symbols = words(0, 0, 0, 0, 0, 0) + words(37, 0x0003_0012, 0, 0, 16, 0)
        var file: [UInt8] = []
        var headers: [UInt8] = words(0, 0, 0, 0) + Array(repeating: 0, count: 48)
        func add(
            _ name: UInt32, _ type: UInt32, _ flags: UInt32, _ bytes: [UInt8], link: UInt32 = 0,
            info: UInt32 = 0, entry: UInt32 = 0
        ) {
            let offset = UInt32(64 + file.count)
            headers += words(name, type, flags, 0, 0, 0, offset, 0, UInt32(bytes.count), 0)
            headers += words(link, info, 8, 0, entry, 0)
            file += bytes + Array(repeating: 0, count: -bytes.count & 7)
        }
        // elf.h: SHT_STRTAB 3, SHT_SYMTAB 2, SHT_PROGBITS 1; SHF_ALLOC 2, SHF_EXECINSTR 4.
        add(1, 3, 0, Array(names.utf8))
        add(9, 2, 0, symbols, link: 1, info: 1, entry: 24)
        add(17, 1, 2 | 4, code)
        add(24, 1, 0, types)
        add(29, 1, 2, Array("GPL\0".utf8))
        // ET_REL 1, EM_BPF 247, section headers behind all, six of them, names in the first.
        let start: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let header =
            start + words(247 << 16 | 1, 1, 0, 0, 0, 0, UInt32(64 + file.count), 0)
            + words(0, 64, 64 << 16, 1 << 16 | 6)
        return header + file + headers
    }

    private static func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    }
}
