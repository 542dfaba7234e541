internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// What the processes of a version 2 cgroup do. Which of their doings is the function's, fixed at
/// load; the function stands beside those that are there.
struct CgroupKind: AttachKind {
    let name = "cgroup"
    let members = [AttachMember("path", .path)]
    let needs = [["path"]]
    let sections = ["cgroup_skb", "cgroup", "sockops", "lsm_cgroup"]
    let isUpdatable = true

    private static let types: Set<String> = [
        "cgroup_skb", "cgroup_sock", "sock_ops", "cgroup_device", "cgroup_sock_addr",
        "cgroup_sysctl", "cgroup_sockopt",
    ]

    func fits(_ function: LoadReport.Function) -> Bool {
        Self.types.contains(function.type)
            || function.type == "lsm" && function.expects(.lsmCgroup)
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let path = site.text("path") ?? ""
        guard FileSystem.kind(path) == .directory else {
            let above = FileSystem.parent(of: path)
            let prefix = above == "/" ? above : above + "/"
            let own = String(path.dropFirst(prefix.count))
            // No directory: no names.
            let names = (try? FileSystem.list(above)) ?? []
            throw site.missing(
                "There is no cgroup \(path).", "path",
                near: NearMatches.find(own, among: names).map { prefix + $0 })
        }
        return [
            .cgroup(path: path, type: AttachType(rawValue: site.function.expectedAttachType))
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        let path = site.text("path") ?? ""
        switch error.errno {
        case .ebadf:
            return Problem(
                .attachRefused, "\(path) is no directory of a version 2 cgroup file system.",
                errno: error.errno.name, pointer: "/attach/path",
                hint: Self.mount.map { "Version 2 cgroups are mounted at \($0)." }, cause: error)
        case .eperm:
            return Problem(
                .attachBusy,
                "A cgroup above \(path), or \(path) itself, has a function of this type that "
                    + "allows "
                    + "no others.", errno: error.errno.name, pointer: "/attach/path", cause: error)
        case .einval where error.log == nil, .eopnotsupp where error.log == nil:
            return site.hostLacks("kernel 5.7 and CONFIG_CGROUP_BPF", error)
        default: return nil
        }
    }

    private static var mount: String? {
        for line in (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}
