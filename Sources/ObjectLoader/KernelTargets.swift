internal import CLibbpf
internal import Glibc
internal import Loading

/// Names in the kernel's BTF that a function may be attached to, to tell near ones of a name that
/// is not there.
enum KernelTargets {
    /// `; near it: "sys_enter"`, or nothing.
    /// - Parameter section: decides where names are looked for: `tp_btf` has tracepoints, `lsm`
    ///   hooks, `iter` what can be walked, and every other kind functions.
    static func near(_ name: String, section: String) -> String {
        guard let types = unsafe btf__load_vmlinux_btf() else { return "" }
        defer { unsafe btf__free(types) }
        let (kind, prefix): (UInt32, String) =
            switch section.prefix(while: { $0 != "/" && $0 != "." }) {
            case "tp_btf": (8, "btf_trace_")  // BTF_KIND_TYPEDEF
            case "lsm", "lsm_cgroup": (12, "bpf_lsm_")  // BTF_KIND_FUNC
            case "iter": (12, "bpf_iter_")
            default: (12, "")
            }
        var names: [String] = []
        let count = unsafe btf__type_cnt(types)
        for id in 1..<max(1, count) {
            guard let type = unsafe btf__type_by_id(types, id),
                unsafe UInt32(btf_kind(type)) == kind,
                let text = unsafe btf__name_by_offset(types, type.pointee.name_off)
            else { continue }
            let length = unsafe strlen(text)
            // Too long or too short ones are no near ones: they are not made Strings.
            guard length + 20 > name.utf8.count + prefix.utf8.count,
                length < name.utf8.count + prefix.utf8.count + 20
            else { continue }
            let found = unsafe String(cString: text)
            if found.hasPrefix(prefix) { names.append(String(found.dropFirst(prefix.utf8.count))) }
        }
        return NearMatches.clause(for: name, among: names)
    }
}
