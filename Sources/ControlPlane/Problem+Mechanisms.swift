internal import BPF
internal import Events
internal import Linux
internal import Loading
internal import Problems
internal import Registry

// The one place where a mechanism's error becomes what a client is told.

extension Problem {
    /// A call of the kernel's that was refused, outside of a load.
    /// - Parameter action: completes "The kernel refused to …", `attach x.f to tracepoint a/b`.
    init(_ error: BPFError, while action: String) {
        let type: ProblemType =
            switch error.errno {
            case .eperm, .eacces: .kernelForbids
            // E2BIG: BPF_TRACE_MAX_PROGS, 64 programs at one tracepoint.
            case .ebusy, .eexist, .e2big: .attachBusy
            case .enosys, .eopnotsupp, .enotsupp: .hostLacks
            case .enomem, .emfile, .enfile: .resourceExhausted
            default: .attachRefused
            }
        self.init(
            type, "The kernel refused to \(action): \(error.call) gave \(error.errno).",
            errno: error.errno.name, cause: error)
        libbpfLog = error.log
        if error.errno == .eexist {
            hint = "The kernel takes a function once at a place: it is attached there already."
        }
        if error.errno == .e2big {
            hint = "The kernel takes 64 programs at one tracepoint, of all that use it."
        }
    }

    /// A map access that was refused.
    /// - Parameter action: completes "could not …", `write an entry`.
    init(_ error: BPFError, map: String, entries: Int, while action: String) {
        let (type, why): (ProblemType, String) =
            switch error.errno {
            case .e2big: (.mapFull, "it holds its max_entries of \(entries)")
            case .enomem: (.resourceExhausted, "the kernel has no memory for it")
            case .emfile, .enfile:
                (.resourceExhausted, "there is no descriptor left for it (\(error.errno))")
            case .eexist: (.alreadyExists, "the entry exists")
            case .enoent: (.notFound, "there is no such entry")
            case .eperm, .eacces:
                (.unsupportedMapOperation, "the map is frozen or not open for that (BPF_F_RDONLY)")
            case .ebadf:
                (.invalidValue, "what the key or value names is not of the kind that it wants")
            default: (.unsupportedMapOperation, "\(error.call) gave \(error.errno)")
            }
        self.init(
            type, "Could not \(action) of map \(map): \(why).", errno: error.errno.name,
            cause: error)
    }

    init(_ failure: LoadFailure) {
        let type: ProblemType =
            switch failure.stage {
            case .elf, .btf: .objectRefused
            case .relocation, .map, .pin: .loadRefused
            case .global: .invalidValue
            case .request: .invalidMember
            case .verifier: .verifierRefused
            case .permission where failure.errno == .einval: .hostLacks
            case .permission: .kernelForbids
            case .quota: .quotaExceeded
            case .crash where [.emfile, .enfile, .enomem, .eagain].contains(failure.errno):
                .resourceExhausted
            case .crash: .loaderCrashed
            case .deadline: .loaderDeadline
            }
        self.init(
            type, failure.message, errno: failure.errno?.name,
            pointer: failure.pointer.map(Self.optionPointer), cause: failure)
        verifierLog = failure.verifierLog
        libbpfLog = failure.libbpfLog
        members["stage"] = .text(failure.stage.rawValue)
        if let function = failure.function { members["function"] = .text(function) }
        if let map = failure.map { members["map"] = .text(map) }
        if let at = failure.instruction {
            members["instruction"] = .object([
                "index": .number(Int64(at.index)), "text": at.text.map { .text($0) },
            ])
        }
        if let source = failure.source {
            members["source"] = .object([
                "text": .text(source.text), "file": source.file.map { .text($0) },
                "line": source.line.map { .number(Int64($0)) },
            ])
        }
        if let cause = LoadCause.find(failure) {
            members["cause"] = .text(cause.rawValue)
            hint = cause.hint(failure)
        }
    }

    /// The loader's request is flat; the client's document is not.
    private static func optionPointer(_ pointer: String) -> String {
        let parts = pointer.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return pointer }
        switch parts[0] {
        case "functions": return "/functions/only/" + parts[1]
        case "targets": return "/functions/targets/" + parts[1]
        case "max_entries": return "/maps/\(parts[1])/max_entries"
        case "reused_maps": return "/maps/\(parts[1])/reuse"
        default: return pointer
        }
    }

    init(_ error: RegistryError, while action: String) {
        let type: ProblemType =
            switch error.kind {
            case .full: .noSpace
            case .busy: .notReady
            case .exhausted: .resourceExhausted
            case .io, .readOnly, .corrupt: .storageRefused
            case .newer, .older, .other: .internalError
            }
        let detail =
            switch error.kind {
            case .full: "The state directory's disk is full: could not \(action)."
            case .readOnly: "The state directory is read-only: could not \(action)."
            case .io: "The state directory's disk gives errors: could not \(action)."
            case .corrupt: "The registry's file is damaged: could not \(action)."
            case .exhausted: "There is no memory or no descriptor left to \(action)."
            default: "Could not \(action): the registry refused."
            }
        self.init(type, detail, cause: error)
    }

    init(_ error: JournalError, while action: String) {
        self.init(
            error.errno == .enospc ? .noSpace : .internalError,
            "Could not \(action): \(error.reason).", errno: error.errno?.name, cause: error)
    }

    init(_ error: Errno, while action: String) {
        let type: ProblemType =
            switch error {
            case .enospc, .edquot: .noSpace
            case .eio, .erofs: .storageRefused
            case .emfile, .enfile, .enomem: .resourceExhausted
            default: .internalError
            }
        self.init(type, "Could not \(action): \(error).", errno: error.name, cause: error)
    }
}
