internal import BPF
internal import Linux

/// What this host is and can do.
public struct HostView: Sendable {
    public struct Ability: Sendable {
        /// An attach kind or a map type.
        public let name: String
        /// nil where trying could not tell.
        public let isAvailable: Bool?
        public let reason: String?
        public let errno: String?
        public let needs: String?
    }

    public let release: String
    public let version: String
    public let machine: String
    public let bootID: String
    public let hasVmlinuxBTF: Bool
    public let moduleBTFCount: Int
    /// `none`, `integrity` or `confidentiality`; nil where the kernel does not tell.
    public let lockdown: String?
    public let capabilities: [String]
    public let libbpf: String
    public let possibleCPUs: Int
    public let onlineCPUs: Int
    public let tracefs: String?
    public let bpffs: String?
    public let attachKinds: [Ability]
    public let mapTypes: [Ability]
}

struct HostAbilities: Sendable {
    let attachKinds: [HostView.Ability]
    let mapTypes: [HostView.Ability]
}

extension Node {
    /// Facts of now; abilities are tried at the first call (some 100 ms) and remembered. Workers
    /// only.
    public func host() -> HostView {
        let abilities = abilities()
        let facts = HostFacts.read()
        let modules: [String]
        do { modules = try FileSystem.list("/sys/kernel/btf") } catch { modules = [] }
        return HostView(
            release: facts.kernelRelease,
            version: FileSystem.text("/proc/sys/kernel/version") ?? "",
            machine: HostDetails.machine, bootID: bootID,
            hasVmlinuxBTF: facts.hasBTF,
            moduleBTFCount: modules.filter { $0 != "vmlinux" }.count,
            lockdown: facts.lockdown, capabilities: facts.capabilities,
            libbpf: facts.libbpfVersion, possibleCPUs: facts.possibleCPUs,
            onlineCPUs: HostDetails.onlineCPUs(), tracefs: facts.tracefs,
            bpffs: HostDetails.mount(of: "bpf"), attachKinds: abilities.attachKinds,
            mapTypes: abilities.mapTypes)
    }

    /// What this host was found to be able to do with an attach kind; tried at the first call.
    func ability(_ kind: String) -> HostView.Ability? {
        abilities().attachKinds.first { $0.name == kind }
    }

    private func abilities() -> HostAbilities {
        if let known = state.withLock({ $0.abilities }) { return known }
        let found = HostAbilities(
            attachKinds: HostProbe.attachKinds().map(shown),
            mapTypes: HostProbe.mapTypes().map(shown))
        state.withLock { $0.abilities = found }
        return found
    }

    private func shown(_ ability: Ability) -> HostView.Ability {
        let isAvailable: Bool? =
            switch ability.state {
            case .available: true
            case .unavailable: false
            case .unknown: nil
            }
        return HostView.Ability(
            name: ability.kind, isAvailable: isAvailable, reason: ability.reason,
            errno: ability.errno?.name, needs: ability.needs)
    }
}

/// What /proc and /sys tell of the host beside `HostFacts`.
private enum HostDetails {
    #if arch(x86_64)
        static let machine = "x86_64"
    #elseif arch(arm64)
        static let machine = "aarch64"
    #else
        static let machine = "unknown"
    #endif

    /// `0-3,6` counted.
    static func onlineCPUs() -> Int {
        let text = FileSystem.text("/sys/devices/system/cpu/online") ?? "0"
        return text.split(separator: ",").map { range in
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last else { return 0 }
            return last - first + 1
        }.reduce(0, +)
    }

    /// Where a file system of this type is mounted first.
    static func mount(of type: String) -> String? {
        for line in (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == type { return String(fields[1]) }
        }
        return nil
    }
}
