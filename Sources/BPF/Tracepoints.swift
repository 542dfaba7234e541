internal import Linux

/// The kernel's tracepoints as tracefs lists them.
public enum Tracepoints {
    /// Where tracefs is mounted.
    /// - Throws: `ENODEV` where it is not.
    public static func directory() throws(BPFError) -> String {
        for path in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        where FileSystem.exists(path + "/events") {
            return path
        }
        throw BPFError(
            "open", .enodev,
            log: "tracefs is not mounted at /sys/kernel/tracing or /sys/kernel/debug/tracing")
    }

    /// Categories, sorted, about 100 on a full kernel.
    public static func categories() throws(BPFError) -> [String] {
        try directories(in: directory() + "/events")
    }

    /// Names in a category, sorted.
    /// - Throws: `ENOENT` no such category; `ENODEV` no tracefs.
    public static func names(category: String) throws(BPFError) -> [String] {
        let directory = try directory()
        guard isName(category) else { throw BPFError("open", .enoent) }
        return try directories(in: "\(directory)/events/\(category)")
    }

    /// Whether there is such a tracepoint.
    /// - Throws: `ENODEV` no tracefs.
    public static func exists(category: String, name: String) throws(BPFError) -> Bool {
        let directory = try directory()
        guard isName(category), isName(name) else { return false }
        return FileSystem.exists("\(directory)/events/\(category)/\(name)/id")
    }

    /// The number by which perf_event_open(2) knows a tracepoint.
    /// - Throws: `ENOENT` no such tracepoint; `ENODEV` no tracefs.
    static func id(category: String, name: String) throws(BPFError) -> UInt64 {
        let directory = try directory()
        guard isName(category), isName(name) else {
            throw BPFError("open", .enoent, log: "there is no tracepoint \(category)/\(name)")
        }
        let path = "\(directory)/events/\(category)/\(name)/id"
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path, limit: 64) } catch {
            throw BPFError("open(\(path))", error)
        }
        let digits = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard let id = UInt64(String(decoding: digits, as: UTF8.self)) else {
            throw BPFError("read(\(path))", .einval)
        }
        return id
    }

    // Names become part of a path that root reads: one component, not hidden, no NUL.
    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count < 128
            && text.utf8.allSatisfy {
                $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
            }
    }

    private static func directories(in path: String) throws(BPFError) -> [String] {
        do {
            return try FileSystem.list(path).filter {
                FileSystem.kind(path + "/" + $0) == .directory
            }
        } catch {
            throw BPFError("open(\(path))", error)
        }
    }
}
