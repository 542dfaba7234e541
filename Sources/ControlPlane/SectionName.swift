internal import JSON
internal import Linux
internal import Loading

/// What a `SEC("…")` name says of where its function wants to be attached, in libbpf's notation.
struct SectionName {
    let kind: any AttachKind
    /// As much as the name says.
    let members: JSONObject

    /// nil where the name says no kind that can be attached.
    init?(of function: LoadReport.Function) {
        // `?tracepoint/…` is libbpf's mark for "not loaded unless asked for".
        let name = function.section
        let text = name.hasPrefix("?") ? String(name.dropFirst()) : name
        let slash = text.firstIndex(of: "/")
        let section = slash.map { String(text[..<$0]) } ?? text
        let rest = slash.map { String(text[text.index(after: $0)...]) } ?? ""
        let found = AttachKinds.all.first {
            $0.sections.contains(section) && $0.fits(function)
        }
        guard let found else { return nil }
        kind = found
        members = found.members(ofSection: section, rest)
    }

    static func number(_ text: Substring) -> UInt64? {
        text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }

    /// A library or program named without a directory, found where the dynamic linker and the shell
    /// would look first; the name itself where it is found nowhere.
    static func path(of binary: String) -> String {
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
