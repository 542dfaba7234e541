internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// A function of a program or library, at its entry or an instruction in it, or at its return.
struct UprobeKind: AttachKind {
    let isReturn: Bool
    var name: String { isReturn ? "uretprobe" : "uprobe" }
    let members = [
        AttachMember("binary", .path), AttachMember("symbol", .text),
        AttachMember("offset", .unsigned(0...UInt64(Int64.max))), .processID, .cookie,
    ]
    let needs = [["binary"], ["symbol", "offset"]]
    var sections: [String] { [name, name + ".s"] }

    func fits(_ function: LoadReport.Function) -> Bool {
        function.type == "kprobe" && function.expectedAttachType == 0 && !function.isUserStatic
    }

    /// `/usr/lib/libc.so.6:getppid+0x4`, `libc.so.6:getppid`, `/bin/x:0x1234`.
    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        guard let colon = rest.lastIndex(of: ":") else { return members }
        members["binary"] = .string(SectionName.path(of: String(rest[..<colon])))
        let parts = rest[rest.index(after: colon)...].split(separator: "+", maxSplits: 1)
        guard let first = parts.first else { return members }
        if parts.count == 1, let offset = SectionName.number(first) {
            members["offset"] = JSONValue(offset)
            return members
        }
        members["symbol"] = .string(String(first))
        if parts.count == 2 {
            guard let offset = SectionName.number(parts[1]) else { return JSONObject() }
            members["offset"] = JSONValue(offset)
        }
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let binary = try site.binary()
        var offset = site.unsigned("offset") ?? 0
        if let symbol = site.text("symbol") {
            offset = try site.offsets(of: [symbol], in: binary, "symbol")[0] &+ offset
        }
        return [
            .uprobe(
                binary: binary, offset: offset, processID: site.processID, isReturn: isReturn)
        ]
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        site.explainUserProbe(error)
    }
}

extension AttachSite {
    /// The path of `binary` for the kernel and the loader: with `pid`, of a process in another
    /// mount namespace or with another root, the file that this process finds there.
    /// - Throws: `target_not_found`.
    func binary() throws(Problem) -> String {
        let binary = text("binary") ?? ""
        var path = binary
        if let processID {
            let root = "/proc/\(processID)/root"
            do throws(Errno) {
                let theirs = try FileSystem.identity("/proc/\(processID)/ns/mnt")
                let ours = try FileSystem.identity("/proc/self/ns/mnt")
                let theirRoot = try FileSystem.resolve(root)
                if theirs != ours || theirRoot != "/" { path = root + binary }
            } catch {
                throw missing("There is no process \(processID).", "pid", errno: .esrch)
            }
            // A link in a container leads to what the container has at its end.
            if path != binary,
                let file = try? FileDescriptor.open(binary, inRoot: root, [.read, .nonBlocking])
            {
                return files.keep(file)
            }
        }
        guard FileSystem.exists(path) else {
            let directory = FileSystem.parent(of: path)
            // No directory: no names.
            let names = (try? FileSystem.list(directory)) ?? []
            let own = String(path.dropFirst(directory == "/" ? 1 : directory.count + 1))
            let near = NearMatches.find(own, among: names)
            throw missing(
                "There is no file \(binary)" + (path == binary ? "." : " for that process."),
                "binary", near: near)
        }
        return path
    }

    /// Places of functions in a file, asked of the loader: the daemon parses no ELF.
    func offsets(of symbols: [String], in binary: String, _ member: String) throws(Problem)
        -> [UInt64]
    {
        do {
            return try node.configuration.loader.offsets(of: symbols, in: binary)
        } catch {
            throw Self.problem(error, member)
        }
    }

    static func problem(_ failure: LoadFailure, _ member: String) -> Problem {
        var problem = Problem(
            failure.stage == .request ? .targetNotFound : .attachRefused, failure.message,
            errno: failure.errno?.name, pointer: "/attach/\(member)", cause: failure)
        problem.libbpfLog = failure.libbpfLog
        return problem
    }

    func explainUserProbe(_ error: BPFError) -> Problem? {
        switch error.errno {
        case .enodev: hostLacks("CONFIG_UPROBES and CONFIG_UPROBE_EVENTS, kernel 4.17", error)
        case .esrch:
            missing("There is no process \(processID ?? 0).", "pid", errno: .esrch)
        case .eio:
            Problem(
                .attachRefused,
                "\(text("binary") ?? "") lies in a file system without mapped files.",
                errno: error.errno.name, pointer: "/attach/binary", cause: error)
        case .einval:
            Problem(
                .attachRefused,
                "There is no instruction that can be probed at that place of "
                    + "\(text("binary") ?? ""): check symbol and offset.",
                errno: error.errno.name, pointer: "/attach", cause: error)
        default: nil
        }
    }
}
