internal import Linux

/// The kernel's functions by name, as far as probes may be put on them.
public enum KernelFunctions {
    /// Names in the order of the kernel's list: `available_filter_functions` of tracefs, or where
    /// there is none the text symbols of /proc/kallsyms. Some 60,000; the file is read anew.
    /// - Throws: `ENOENT`, `EACCES` of /proc/kallsyms.
    public static func names() throws(BPFError) -> [String] {
        let traceable: [UInt8]
        // Without tracefs, kallsyms says it.
        do {
            let directory = try Tracepoints.directory()
            traceable = try FileSystem.read(directory + "/available_filter_functions")
        } catch {
            traceable = []
        }
        if !traceable.isEmpty {
            // "vfs_read", "nf_nat_setup_info [nf_nat]"
            return lines(traceable).map { name($0.prefix { $0 != space && $0 != tab }) }
        }
        let bytes: [UInt8]
        do { bytes = try FileSystem.read("/proc/kallsyms") } catch {
            throw BPFError("open(/proc/kallsyms)", error)
        }
        // "ffffffff81000000 T _text", and of a module a tab and "[name]"
        return lines(bytes).compactMap { line in
            let fields = line.split(separator: space, maxSplits: 2)
            guard fields.count == 3, let kind = fields[1].first, kind | 0x20 == UInt8(ascii: "t")
            else { return nil }
            return name(fields[2].prefix { $0 != tab && $0 != space })
        }
    }

    /// All symbols that /proc/kallsyms shows, some 200,000; nil where there is no such file. The
    /// file is read anew, 10 MB.
    public static func symbols() -> Set<String>? {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read("/proc/kallsyms") } catch { return nil }
        var found: Set<String> = []
        for line in lines(bytes) {
            let fields = line.split(maxSplits: 3) { $0 == space || $0 == tab }
            if fields.count >= 3 { found.insert(name(fields[2])) }
        }
        return found
    }

    /// The function of a system call: with the architecture's prefix, `__x64_sys_openat` (kernel
    /// 4.17
    /// on x86-64, 4.19 on arm64), else without; nil where kallsyms shows none of them.
    public static func systemCall(_ name: String) -> String? {
        let prefix = systemCallPrefix
        let bytes: [UInt8]
        do { bytes = try FileSystem.read("/proc/kallsyms") } catch { return nil }
        let wanted = [prefix + name, "__se_sys_" + name, "sys_" + name]
        var found: Set<String> = []
        for line in lines(bytes) {
            guard let last = line.lastIndex(of: space) else { continue }
            let symbol = line[(last + 1)...]
            // The cheap question first: there are some 200,000 lines.
            let isCall =
                symbol.starts(with: prefix.utf8) || symbol.starts(with: "__se_sys_".utf8)
                || symbol.starts(with: "sys_".utf8)
            guard isCall else { continue }
            let text = self.name(symbol)
            if wanted.contains(text) { found.insert(text) }
        }
        return wanted.first(where: found.contains)
    }

    /// What the architecture puts before a system call's name, since 4.17 (arm64: 4.19).
    #if arch(arm64)
        public static let systemCallPrefix = "__arm64_sys_"
    #else
        public static let systemCallPrefix = "__x64_sys_"
    #endif

    private static let space = UInt8(ascii: " ")
    private static let tab = UInt8(ascii: "\t")

    private static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: "\n"))
    }

    private static func name(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
