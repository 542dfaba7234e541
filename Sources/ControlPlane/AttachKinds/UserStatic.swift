internal import BPF
internal import JSON
internal import Loading
internal import Problems

/// usdt: a static place in a program or library, with arguments that `bpf_usdt_arg` reads.
struct UserStaticKind: AttachKind {
    let name = "usdt"
    let members = [
        AttachMember("binary", .path), AttachMember("provider", .text),
        AttachMember("name", .text), .processID, .cookie,
    ]
    let needs = [["binary"], ["provider"], ["name"]]
    let sections = ["usdt", "usdt.s"]

    /// Functions of SEC("usdt"), which libbpf loads as uprobe.multi where the kernel has that, and
    /// any that is for uprobes: without usdt.bpf.h it has no arguments, and counts all the same.
    func fits(_ function: LoadReport.Function) -> Bool {
        guard function.type == "kprobe" else { return false }
        let isKernels = ["kprobe", "kretprobe", "ksyscall", "kretsyscall"].contains {
            function.section.hasPrefix($0)
        }
        return !isKernels
            && (function.expectedAttachType == 0 || function.expects(.traceUprobeMulti))
    }

    /// `/usr/lib/libc.so.6:libc:setjmp`
    func members(ofSection section: String, _ rest: String) -> JSONObject {
        var members = JSONObject()
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 3 else { return members }
        let binary = parts.dropLast(2).joined(separator: ":")
        members["binary"] = .string(SectionName.path(of: binary))
        members["provider"] = .string(parts[parts.count - 2])
        members["name"] = .string(parts[parts.count - 1])
        return members
    }

    func targets(at site: AttachSite) throws(Problem) -> [AttachTarget] {
        let binary = try site.binary()
        let places: [USDTSite]
        do {
            places = try site.node.configuration.loader.sites(
                ofProvider: site.text("provider") ?? "", name: site.text("name") ?? "",
                in: binary)
        } catch {
            throw AttachSite.problem(error, "name")
        }
        let cookies = try USDTSpecs.write(places, of: binary, at: site)
        let points = zip(places, cookies).map { place, cookie in
            UserStaticPoint(
                offset: place.offset, referenceCounterOffset: place.semaphoreOffset,
                cookie: cookie)
        }
        let isMulti = site.function.expects(.traceUprobeMulti)
        let groups = isMulti ? [points] : points.map { [$0] }
        return groups.map {
            .userStatic(
                binary: binary, points: $0, processID: site.processID, isMulti: isMulti)
        }
    }

    func explain(_ error: BPFError, at site: AttachSite) -> Problem? {
        if error.errno == .eopnotsupp, error.log != nil {
            return site.hostLacks("kernel 5.15, for what tells one probe from another", error)
        }
        return site.explainUserProbe(error)
    }
}

extension LoadReport.Function {
    /// Whether it reads its arguments by usdt.bpf.h: then nothing else than usdt makes sense of it.
    var isUserStatic: Bool {
        ["usdt", "usdt.s"].contains(section) || section.hasPrefix("usdt/")
            || section.hasPrefix("usdt.s/")
    }
}
