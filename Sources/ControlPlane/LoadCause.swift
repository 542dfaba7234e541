internal import BPF
internal import Linux
internal import Loading

/// The commonest causes of a load that fails, told by what kernel and libbpf say, and what to do
/// about each. The words are the verifier's of 5.10 to 6.18 (kernel/bpf/verifier.c).
enum LoadCause: String, CaseIterable {
    case unboundedLoop = "unbounded_loop"
    case missingNullCheck = "missing_null_check"
    case outOfRange = "out_of_range_access"
    case unknownHelper = "unknown_helper"
    case missingBTF = "missing_btf"
    case legacyMaps = "legacy_maps"
    case missingType = "missing_kernel_type"
    case missingTarget = "missing_target"
    case missingCapability = "missing_capability"
    case lockdown
    case rlimit
    case mapTooBig = "map_too_big"
    case programTooLarge = "program_too_large"
    case incompatibleLicense = "incompatible_license"
    case uninitializedRead = "uninitialized_read"
    case unreleasedReference = "unreleased_reference"
    case untypedPointer = "untyped_pointer"

    /// nil where it is none of these.
    static func find(_ failure: LoadFailure, on host: HostFacts = .read()) -> LoadCause? {
        // More functions and maps than descriptors.
        if failure.errno == .emfile { return .rlimit }
        switch failure.stage {
        case .permission: return ofPermission(failure, host)
        case .map: return ofMap(failure)
        case .relocation where failure.pointer != nil: return .missingTarget
        case .btf where failure.message.contains("BTF is required"): return .missingBTF
        case .relocation, .btf: return .missingType
        case .elf where failure.message.contains("legacy map definitions"): return .legacyMaps
        case .verifier:
            guard let reason = failure.reason else {
                return failure.errno == .e2big ? .programTooLarge : nil
            }
            if reason.contains("cannot use helper"), isLockedDown(reason, host) {
                return .lockdown
            }
            return words.first { row in row.words.contains { reason.contains($0) } }?.cause
        default:
            // The memory or the CPU time that the loader may take.
            return failure.stage == .deadline || isOutOfMemory(failure) ? .rlimit : nil
        }
    }

    private static let words: [(cause: LoadCause, words: [String])] = [
        (
            .missingNullCheck,
            ["_or_null", "Possibly NULL pointer", "may be NULL", "possibly null"]
        ),
        (
            .unboundedLoop,
            [
                "infinite loop detected", "back-edge from insn", "jumps is too complex",
                "recursive call", "the call stack of",
            ]
        ),
        (
            .programTooLarge,
            ["BPF program is too large", "combined stack size", "too many subprogs"]
        ),
        (.incompatibleLicense, ["GPL-restricted", "non-GPL compatible", "GPL compatible"]),
        (
            .unknownHelper,
            [
                "invalid func unknown", "unknown func ", "cannot use helper",
                "cannot call kernel function", "calling kernel function",
                "helper call might sleep", "helper call is not allowed",
            ]
        ),
        (
            .outOfRange,
            [
                "unbounded memory access", "outside of the allowed memory range",
                "outside of the packet", "outside of the array range", "invalid access to",
                "min value is negative", "invalid write to stack", "invalid stack",
                "context access off=",
                "math between ", "unbounded min value", "invalid zero-sized read",
                "invalid variable-offset", "memory access",
            ]
        ),
        (.uninitializedRead, ["!read_ok", "invalid indirect read", "invalid read from stack"]),
        (.untypedPointer, ["invalid mem access 'scalar'", "invalid mem access 'inv'"]),
        (.unreleasedReference, ["Unreleased reference", "reference leak", "spin_lock"]),
    ]

    private static func ofPermission(_ failure: LoadFailure, _ host: HostFacts) -> LoadCause {
        if !missingCapabilities(host).isEmpty { return .missingCapability }
        let isBeforeAccounting = isOlder(host.kernelRelease, than: (5, 11))
        if isBeforeAccounting, host.lockedMemoryLimitBytes != nil || failure.map != nil {
            return .rlimit
        }
        if let lockdown = host.lockdown, lockdown != "none" { return .lockdown }
        return host.lockdown == nil && failure.map == nil ? .lockdown : .missingCapability
    }

    private static func ofMap(_ failure: LoadFailure) -> LoadCause? {
        switch failure.errno {
        case .e2big, .enomem: .mapTooBig
        default: nil
        }
    }

    /// Helpers that lockdown takes away (kernel/trace/bpf_trace.c): one from `integrity` on, those
    /// that read kernel memory with `confidentiality`.
    private static func isLockedDown(_ reason: String, _ host: HostFacts) -> Bool {
        guard host.lockdown != "none" else { return false }
        if reason.contains("bpf_probe_write_user") { return true }
        return host.lockdown == "confidentiality" && reason.contains("bpf_probe_read")
    }

    private static func isOutOfMemory(_ failure: LoadFailure) -> Bool {
        failure.stage == .crash && failure.errno == .enomem
    }

    /// What a load may need and this process has not.
    static func missingCapabilities(_ host: HostFacts) -> [String] {
        // CAP_SYS_ADMIN stands for the first two.
        let isAdmin = host.capabilities.contains("CAP_SYS_ADMIN")
        return ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"].filter { name in
            !host.capabilities.contains(name) && (name == "CAP_NET_ADMIN" || !isAdmin)
        }
    }

    static func isOlder(_ release: String, than version: (Int, Int)) -> Bool {
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return false }
        return (numbers[0], numbers[1]) < version
    }
}

extension LoadCause {
    /// What to change.
    func hint(_ failure: LoadFailure, on host: HostFacts = .read()) -> String {
        switch self {
        case .unboundedLoop:
            "The verifier must see that every loop ends: count up to a constant, for (i = 0; i < "
                + "64; i++), or use bpf_loop() (kernel 5.17) or bpf_for() (6.4); recursion is not "
                + "possible."
        case .missingNullCheck:
            "What may be NULL must be compared before it is used: if (!pointer) return 0; map "
                + "lookups, bpf_ringbuf_reserve and socket lookups all may give NULL."
        case .outOfRange:
            "Bound every index and size right before the access, with an unsigned type: if (i >= "
                + "N) return 0; or i &= N - 1; compare packet pointers with data_end first; the "
                + "stack has 512 bytes."
        case .unknownHelper:
            "Kernel \(host.kernelRelease) has no such function, or not for programs of this type: "
                + "use another, or another section; `bpftool feature probe` lists the helpers of "
                + "each type."
        case .missingBTF:
            "Maps are declared by types, SEC(\".maps\"), which are in the object's BTF: compile it "
                + "with clang -g, and leave .BTF in it afterwards (llvm-strip -g keeps it)."
        case .legacyMaps:
            "Declare each map by its types: struct { __uint(type, BPF_MAP_TYPE_HASH); "
                + "__uint(max_entries, 64); __type(key, __u32); __type(value, __u64); } name "
                + "SEC(\".maps\");"
        case .missingType:
            "Kernel \(host.kernelRelease)"
                + (host.hasBTF ? "" : " was built without BTF (CONFIG_DEBUG_INFO_BTF), and")
                + " lacks a type, member or symbol of that name: check the spelling, and where "
                + "it may be missing guard it with bpf_core_field_exists() or declare it __weak."
        case .missingTarget: targetHint(failure)
        case .missingCapability: capabilityHint(host)
        case .lockdown:
            "Kernel lockdown\(host.lockdown.map { " (\($0))" } ?? "") forbids this: boot without "
                + "lockdown= or secure boot's lockdown, or use a program that neither writes user "
                + "memory nor changes the kernel's flow."
        case .rlimit: limitHint(failure)
        case .mapTooBig:
            "Make the map smaller, here or with \"maps\": {\"\(failure.map ?? "NAME")\": "
                + "{\"max_entries\": N}}: its entries times their size must fit into memory and "
                + "into 4 GiB for most types."
        case .programTooLarge:
            "The verifier goes through at most 1,000,000 instructions on all paths, with 512 bytes "
                + "of stack: use fewer branches and shorter loops, bpf_loop(), global functions or "
                + "tail calls, and large variables in a map."
        case .incompatibleLicense:
            "The function is for programs whose license is compatible with the GPL: char "
                + "LICENSE[] SEC(\"license\") = \"GPL\"; (also \"Dual MIT/GPL\")."
        case .uninitializedRead:
            "Something is read that nothing was written to: initialize variables, also the "
                + "padding of structures that helpers get: struct key key = {};"
        case .untypedPointer:
            "A number is no pointer to the verifier: read kernel memory with BPF_CORE_READ() or "
                + "bpf_probe_read_kernel(), user memory with bpf_probe_read_user(), or take typed "
                + "arguments (tp_btf, fentry)."
        case .unreleasedReference:
            "What was acquired must be given back on every path before the function ends: "
                + "bpf_ringbuf_submit or _discard, bpf_sk_release, bpf_spin_unlock."
        }
    }

    private func capabilityHint(_ host: HostFacts) -> String {
        let missing = Self.missingCapabilities(host)
        let names = missing.isEmpty ? ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] : missing
        return "The daemon runs without " + names.joined(separator: ", ")
            + ": run it as root or give it those (AmbientCapabilities= in its unit)."
    }

    private func targetHint(_ failure: LoadFailure) -> String {
        let function = failure.function ?? "NAME"
        let isReplacement = failure.message.contains("another program")
        let target = isReplacement ? "PROGRAM/FUNCTION" : "TARGET"
        return "Put the object with options (Content-Type: application/json) and give "
            + "\"functions\": {\"targets\": {\"\(function)\": \"\(target)\"}}"
            + (isReplacement
                ? ", a function of a program that is loaded here."
                : ", or name it behind the section's slash, as in SEC(\"fentry/tcp_connect\").")
    }

    private func limitHint(_ failure: LoadFailure) -> String {
        switch (failure.errno, failure.stage) {
        case (.emfile?, _):
            "The loader is out of descriptors: raise RLIMIT_NOFILE (LimitNOFILE= in the unit), or "
                + "load fewer functions and maps at once."
        case (_, .deadline):
            "The loader's CPU time and deadline are limits of the configuration: raise them, or "
                + "load fewer functions with functions.only."
        case (_, .permission):
            "Before kernel 5.11 maps and programs count as locked memory: raise RLIMIT_MEMLOCK "
                + "(LimitMEMLOCK=infinity in the unit)."
        default:
            "The loader's address space is a limit of the configuration: raise it, or load a "
                + "smaller object."
        }
    }
}
