internal import Linux

/// What a `SEC("…")` name says of where its function wants to be attached, in libbpf's notation.
struct SectionName {
    /// nil where the name says no kind that can be attached, or not all of it.
    let document: AttachDocument?

    init(_ section: String) {
        // `?tracepoint/…` is libbpf's mark for "not loaded unless asked for".
        let text = section.hasPrefix("?") ? String(section.dropFirst()) : section
        let slash = text.firstIndex(of: "/")
        let kind = slash.map { String(text[..<$0]) } ?? text
        let rest = slash.map { String(text[text.index(after: $0)...]) } ?? ""
        switch kind {
        case "tracepoint", "tp": document = Self.tracepoint(rest)
        case "raw_tracepoint", "raw_tp", "raw_tracepoint.w", "raw_tp.w":
            document = Self.named(.rawTracepoint, rest)
        // The load has fixed the target, which may be another than the section's.
        case "tp_btf": document = AttachDocument(kind: .tpBTF)
        case "uprobe", "uprobe.s": document = Self.userProbe(.uprobe, rest)
        case "uretprobe", "uretprobe.s": document = Self.userProbe(.uretprobe, rest)
        default: document = nil
        }
    }

    private static func tracepoint(_ rest: String) -> AttachDocument? {
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        var document = AttachDocument(kind: .tracepoint)
        document.category = String(rest[..<slash])
        document.name = String(rest[rest.index(after: slash)...])
        return document
    }

    private static func named(_ kind: AttachKind, _ rest: String) -> AttachDocument? {
        guard !rest.isEmpty else { return nil }
        var document = AttachDocument(kind: kind)
        document.name = rest
        return document
    }

    /// `/usr/lib/libc.so.6:getppid+0x4`, `libc.so.6:getppid`, `/bin/x:0x1234`.
    private static func userProbe(_ kind: AttachKind, _ rest: String) -> AttachDocument? {
        guard let colon = rest.lastIndex(of: ":") else { return nil }
        var document = AttachDocument(kind: kind)
        document.binary = path(of: String(rest[..<colon]))
        let place = rest[rest.index(after: colon)...]
        let parts = place.split(separator: "+", maxSplits: 1)
        guard let first = parts.first else { return nil }
        if parts.count == 1, let offset = number(first) {
            document.offset = offset
            return document
        }
        document.symbol = String(first)
        if parts.count == 2 {
            guard let offset = number(parts[1]) else { return nil }
            document.offset = offset
        }
        return document
    }

    private static func number(_ text: Substring) -> UInt64? {
        text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }

    /// A library or program named without a directory, found where the dynamic linker and the shell
    /// would look first; the name itself where it is found nowhere.
    private static func path(of binary: String) -> String {
        guard !binary.contains("/") else { return binary }
        #if arch(arm64)
            let triple = "aarch64-linux-gnu"
        #else
            let triple = "x86_64-linux-gnu"
        #endif
        let directories =
            binary.contains(".so")
            ? ["/lib/\(triple)", "/usr/lib/\(triple)", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
            : ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
        return directories.map { $0 + "/" + binary }.first { FileSystem.exists($0) } ?? binary
    }
}
