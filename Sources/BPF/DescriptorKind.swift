internal import Linux

/// What a BPF descriptor is of.
///
/// The info calls answer for every kind and would fill one kind's structure with another's numbers,
/// so the kind is asked first: the descriptor's file is named after it, and fdinfo has a line that
/// only this kind has.
enum DescriptorKind: String {
    case map = "map_type"
    case program = "prog_type"
    case link = "link_type"

    /// - Throws: `EINVAL` where the descriptor is of another kind; `EMFILE` and the like where that
    ///   cannot be seen.
    static func require(_ kind: DescriptorKind, of raw: Int32) throws(BPFError) {
        if isNamed(kind, raw) { return }
        let path = "/proc/self/fdinfo/\(raw)"
        let text: [UInt8]
        do { text = try FileSystem.read(path) } catch { throw BPFError("open(\(path))", error) }
        let lines = text.split(separator: UInt8(ascii: "\n"))
        guard lines.contains(where: { $0.starts(with: (kind.rawValue + ":").utf8) }) else {
            throw BPFError(
                "bpf_obj_get", .einval, log: "the descriptor's fdinfo has no \(kind.rawValue)")
        }
    }

    /// kernel/bpf: `anon_inode:bpf-map`, `bpf-prog`, `bpf_link` or `bpf-link`. Needs no descriptor.
    private static func isNamed(_ kind: DescriptorKind, _ raw: Int32) -> Bool {
        let file: String
        do { file = try FileSystem.resolve("/proc/self/fd/\(raw)") } catch { return false }
        switch kind {
        case .map: return file == "anon_inode:bpf-map"
        case .program: return file == "anon_inode:bpf-prog"
        case .link: return file == "anon_inode:bpf_link" || file == "anon_inode:bpf-link"
        }
    }

    /// A line of /proc/self/fdinfo, after its `key:` and tab.
    static func information(of raw: Int32, _ key: String) -> String? {
        guard let text = FileSystem.text("/proc/self/fdinfo/\(raw)") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
            return String(line.dropFirst(key.utf8.count + 1).drop { $0 == "\t" || $0 == " " })
        }
        return nil
    }
}
