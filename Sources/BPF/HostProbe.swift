internal import CLibbpf
internal import Linux

/// Finds out by trying what this host can do. The answers hold until the next boot.
///
/// What is tried disturbs nobody: functions that only the kernel's own tests call, a file that
/// nobody has mapped, a network namespace made for it; all is gone before the call returns.
public enum HostProbe {
    /// One row for each attach kind, in the API's order. Loads and attaches tiny programs; 0.2 to
    /// 0.5 s, most of it the kernel's letting go of probes; blocks.
    public static func attachKinds() -> [Ability] {
        // A refusal is an answer here, and libbpf would print it to stderr.
        let printer = unsafe libbpf_set_print(nil)
        defer { unsafe _ = libbpf_set_print(printer) }
        return tracingKinds() + inOwnNetwork()
    }

    /// One row for each map type that has a name here: creates the smallest of each; a few ms.
    public static func mapTypes() -> [Ability] {
        MapType.all.map { MapTrial(type: $0).ability() }
    }

    /// Whether functions can tell one probe from another, by `bpf_get_attach_cookie`, kernel 5.15:
    /// asked as libbpf asks it for `LINUX_HAS_BPF_COOKIE`, once.
    public static let hasAttachCookies: Bool = {
        do throws(BPFError) {
            _ = try TinyProgram(type: .kprobe, call: 174).load()
            return true
        } catch {
            // Who may load nothing attaches nothing either.
            return error.errno == .eperm
        }
    }()

    /// libbpf's major and minor version, `1.4`: the library does not tell more.
    public static var libbpfVersion: String {
        guard let text = unsafe libbpf_version_string() else { return "unknown" }
        // SAFETY: a constant of the library's; it begins with a "v".
        return String((unsafe String(cString: text)).drop { $0 == "v" })
    }

    /// Runs `attempt` and puts its error into words.
    static func row(
        _ kind: String, needs: String, _ attempt: () throws(BPFError) -> Void
    ) -> Ability {
        do {
            try attempt()
            return Ability(kind: kind, state: .available, errno: nil, reason: nil, needs: nil)
        } catch {
            return refused(kind, error, needs: needs)
        }
    }

    static func refused(_ kind: String, _ error: BPFError, needs: String) -> Ability {
        var reason = "\(error.call): \(error.errno.name)"
        if let log = error.log { reason += ": \(log)" }
        var state = Ability.State.unavailable
        switch error.errno {
        case .eperm, .eacces:
            // Of a process without capabilities it says nothing about the host.
            if !HostFacts.mayEverything {
                state = .unknown
                reason += " (this process lacks \(HostFacts.missingCapabilities))"
            } else if let lockdown = HostFacts.lockdown, lockdown != "none" {
                reason += " (kernel lockdown: \(lockdown))"
            }
        case .eagain, .enomem, .emfile, .enfile, .eintr, .ebusy:
            state = .unknown
        default: break
        }
        return Ability(
            kind: kind, state: state, errno: error.errno, reason: reason, needs: needs)
    }

    static func unknown(_ kind: String, _ reason: String, needs: String) -> Ability {
        Ability(kind: kind, state: .unknown, errno: nil, reason: reason, needs: needs)
    }
}
