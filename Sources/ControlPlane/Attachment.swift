internal import BPF
internal import Linux
internal import Loading
internal import Problems
internal import Synchronization

/// A probe's kernel side: the link, its pin, and what was known of it when it was made or adopted.
final class Attachment: Sendable {
    let info: LinkInfo
    /// The pin's name below our bpffs directory.
    let pin: String
    let pinPath: String
    let isPinned: Bool
    private let link: Mutex<Link?>

    init(_ link: Link, info: LinkInfo, pin: String, pinPath: String, isPinned: Bool) {
        self.info = info
        self.pin = pin
        self.pinPath = pinPath
        self.isPinned = isPinned
        self.link = Mutex(link)
    }

    /// Removes the pin and closes the link, then waits until the kernel has let go of it.
    ///
    /// Closing waits for RCU: 37 ms for a tracepoint, 125 ms for a uprobe. Workers only.
    func detach() throws(Errno) {
        if isPinned { try FileSystem.unlink(pinPath) }
        link.withLock { $0 = nil }
        if info.id != 0, !Link.waitUntilGone(id: info.id, timeoutMilliseconds: 5000) {
            throw .ebusy
        }
    }
}

extension Node {
    func pinPath(_ pin: String) -> String { configuration.bpffsDirectory + "/" + pin }

    /// Attaches a function of `program` and pins the link under `pin`.
    func attach(
        _ document: AttachDocument, function name: String, of program: LoadedProgram, pin: String
    ) throws(Problem) -> Attachment {
        guard let function = program.functions[name],
            let reported = program.report.functions.first(where: { $0.name == name })
        else { throw Problem(.notFound, "Program \(program.name) has no function \(name).") }
        try checkKind(document.kind, fits: reported)
        let action = "attach \(program.name).\(name) as \(document.kind.rawValue)"
        let target = try target(of: document)
        let link: Link
        do {
            link = try function.attach(to: target, cookie: document.cookie)
        } catch {
            throw explain(error, document, while: action)
        }
        do {
            let info = try link.info()
            let path = pinPath(pin)
            if link.isPinnable { try link.pin(path) }
            return Attachment(
                link, info: info, pin: pin, pinPath: path, isPinned: link.isPinnable)
        } catch {
            throw Problem(error, while: "pin the link of \(program.name).\(name)")
        }
    }

    /// Opens the pin that an earlier daemon left.
    /// - Returns: nil where there is none, or where it holds another program's link.
    func adopt(pin: String, function name: String, of program: LoadedProgram) -> Attachment? {
        let path = pinPath(pin)
        guard FileSystem.exists(path), let kernelID = program.kernelIDs[name] else { return nil }
        do {
            let link = try Link(pinned: path)
            let info = try link.info()
            guard info.programID == kernelID else { return nil }
            return Attachment(
                link, info: info, pin: pin, pinPath: path, isPinned: true)
        } catch {
            log.warning("a link's pin cannot be opened", metadata: ["pin": "\(path): \(error)"])
            return nil
        }
    }

    /// Detaches many at once: each waits for RCU by itself, and the waits overlap.
    func detachAll(_ attachments: [Attachment]) -> [Errno] {
        let failures = Mutex<[Errno]>([])
        let next = Mutex(0)
        let work: @Sendable () -> Void = {
            while true {
                let index = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                guard index < attachments.count else { return }
                do throws(Errno) { try attachments[index].detach() } catch {
                    failures.withLock { $0.append(error) }
                }
            }
        }
        var threads: [NamedThread] = []
        for _ in 1..<max(1, min(16, attachments.count)) {
            // Without another thread it takes longer and comes to the same.
            do { threads.append(try NamedThread("detach", work)) } catch { break }
        }
        work()
        for thread in threads { thread.join() }
        return failures.withLock { $0 }
    }

    private func checkKind(_ kind: AttachKind, fits function: LoadReport.Function) throws(Problem) {
        let fits =
            switch kind {
            case .tracepoint: function.type == "tracepoint"
            case .rawTracepoint: function.type.hasPrefix("raw_tracepoint")
            case .tpBTF: function.type == "tracing" && function.expectedAttachType == 23
            case .uprobe, .uretprobe: function.type == "kprobe" && function.expectedAttachType == 0
            }
        guard !fits else { return }
        throw Problem(
            .wrongKind,
            "\(function.name) (section \"\(function.section)\") is of type \(function.type), "
                + "which cannot be "
                + "attached as \(kind.rawValue).")
    }

    private func target(of document: AttachDocument) throws(Problem) -> AttachTarget {
        switch document.kind {
        case .tracepoint:
            return .tracepoint(category: document.category ?? "", name: document.name ?? "")
        case .rawTracepoint: return .rawTracepoint(name: document.name ?? "")
        case .tpBTF: return .tracing
        case .uprobe, .uretprobe:
            return .uprobe(
                binary: document.binary ?? "", offset: try offset(of: document),
                processID: document.processID, isReturn: document.kind == .uretprobe)
        }
    }

    private func offset(of document: AttachDocument) throws(Problem) -> UInt64 {
        let binary = document.binary ?? ""
        guard FileSystem.exists(binary) else {
            throw Problem(
                .targetNotFound, "There is no file \(binary).", errno: "ENOENT",
                pointer: "/attach/binary")
        }
        guard let symbol = document.symbol else { return document.offset ?? 0 }
        do {
            let offsets = try configuration.loader.offsets(of: [symbol], in: binary)
            return (offsets.first ?? 0) &+ (document.offset ?? 0)
        } catch {
            var problem = Problem(
                error.stage == .request ? .targetNotFound : .attachRefused, error.message,
                errno: error.errno?.name, pointer: "/attach/symbol", cause: error)
            problem.libbpfLog = error.libbpfLog
            throw problem
        }
    }

    private func nearTracepoints(_ category: String, _ name: String) -> [String] {
        // Where tracefs cannot be listed there is nothing to suggest.
        do {
            if try Tracepoints.categories().contains(category) {
                let names = try Tracepoints.names(category: category)
                return NearMatches.find(name, among: names).map { "\(category)/\($0)" }
            }
            return NearMatches.find(category, among: try Tracepoints.categories())
        } catch {
            return []
        }
    }

    /// The kernel's ENOENT and ESRCH in words of what was asked for, with near matches.
    private func explain(_ error: BPFError, _ document: AttachDocument, while action: String)
        -> Problem
    {
        guard error.errno == .enoent || (error.errno == .esrch && document.processID != nil) else {
            return Problem(error, while: action)
        }
        switch document.kind {
        case .tracepoint:
            let category = document.category ?? ""
            let name = document.name ?? ""
            let suggestions = nearTracepoints(category, name)
            return Problem(
                .targetNotFound, "This kernel has no tracepoint \(category)/\(name).",
                errno: error.errno.name, pointer: "/attach/name",
                hint: suggestions.isEmpty
                    ? nil : "Near it: " + suggestions.joined(separator: ", ") + ".", cause: error)
        case .rawTracepoint:
            return Problem(
                .targetNotFound, "This kernel has no raw tracepoint \(document.name ?? "").",
                errno: error.errno.name, pointer: "/attach/name",
                hint: "Raw tracepoints have the name after the group: sys_enter, sched_switch.",
                cause: error)
        case .uprobe where error.errno == .esrch, .uretprobe where error.errno == .esrch:
            return Problem(
                .targetNotFound, "There is no process \(document.processID ?? 0).",
                errno: error.errno.name, pointer: "/attach/pid", cause: error)
        case .tpBTF, .uprobe, .uretprobe: return Problem(error, while: action)
        }
    }
}
