internal import CLibbpf
internal import Linux
internal import Loading

/// Turns a refusal of libbpf's into a stage and a sentence. libbpf gives an error number for all
/// that can go wrong, and a line of text that says what it was: so its lines are read.
enum Refusal {
    /// libbpf's own error numbers begin here (`__LIBBPF_ERRNO__START`): they are no errno.
    private static let firstOfLibbpf: Int32 = 4000

    static func ofOpen(_ number: Errno) -> LoadFailure {
        guard let line = usefulLines().last else {
            // Its number is of no file: ENOENT here is a section, a symbol or a type not found.
            return LoadFailure(
                .elf,
                "the object is damaged: its sections, symbols and types do not fit together, and "
                    + "libbpf says only \(describe(number))",
                libbpfLog: LibbpfLog.text)
        }
        let stage: LoadFailure.Stage =
            if line.hasPrefix("map '") {
                .map
            } else if line.hasPrefix("elf: ") {
                .elf
            } else if line.contains("relo") || line.contains("extern") {
                .relocation
            } else {
                line.contains("BTF") ? .btf : .elf
            }
        return LoadFailure(
            stage, "libbpf cannot open the object: \(line)", errno: known(number),
            libbpfLog: LibbpfLog.text)
    }

    static func ofLoad(
        _ number: Errno, functions: [ObjectFunction], maps: [ObjectMap],
        places: LineInformation?, logs: borrowing VerifierLogs, request: LoadRequest
    ) -> LoadFailure {
        let lines = usefulLines()
        for line in lines {
            guard let (name, rest) = subject("prog", line),
                let index = functions.firstIndex(where: { $0.name == name })
            else { continue }
            if rest.hasPrefix("BPF program load failed") {
                let log = logs.ofRefused(index)
                if number == .einval, log.map(VerifierLogText.init)?.reason == nil,
                    let type = functions[index].missingType()
                {
                    return failure(
                        .permission,
                        "this kernel has no programs of the type of function \"\(name)\", \(type)",
                        number, function: name)
                }
                var failure = ofFunction(name, number, log, request.verifierLog != .none)
                if let places { locate(&failure, in: places, function: functions[index]) }
                return failure
            }
            if rest.contains("kernel BTF type ID") || rest.contains("attach target") {
                let target = request.targets[name] ?? functions[index].sectionTarget
                let near = KernelTargets.near(target, section: functions[index].section)
                return failure(.relocation, line + near, number, function: name)
            }
        }
        if let line = lines.first(where: { subject("map", $0) != nil || $0.contains(" map(") }) {
            return ofMap(line, number, maps)
        }
        let line = lines.last
        let stage: LoadFailure.Stage =
            switch line {
            case _ where number == .eperm: .permission
            case let line? where line.contains("extern") || line.contains("relo"): .relocation
            case let line? where line.contains("BTF"): .btf
            default: .elf
            }
        return failure(stage, line ?? describe(number), number)
    }

    /// A map that the kernel did not create.
    private static func ofMap(_ line: String, _ number: Errno, _ maps: [ObjectMap]) -> LoadFailure {
        let stage = number == .eperm ? LoadFailure.Stage.permission : .map
        guard let (name, _) = subject("map", line), let map = maps.first(where: { $0.name == name })
        else { return failure(stage, line, number) }
        var failure = LoadFailure(
            stage,
            "the kernel did not create map \"\(name)\" (\(map.typeName), "
                + "\(map.maxEntries) entries, keys of \(map.keySize) and values of "
                + "\(map.valueSize) bytes, flags 0x\(String(map.flags, radix: 16))): \(number)",
            errno: known(number), libbpfLog: LibbpfLog.text)
        failure.map = name
        return failure
    }

    /// A function that the kernel did not take.
    private static func ofFunction(
        _ name: String, _ number: Errno, _ log: String?, _ isLogWanted: Bool
    ) -> LoadFailure {
        let text = log.map(VerifierLogText.init)
        let stage: LoadFailure.Stage
        let message: String
        switch text?.reason {
        case nil where number == .eperm || number == .eacces:
            stage = .permission
            message =
                "the kernel does not permit function \"\(name)\": \(number); it needs CAP_BPF "
                + "and, by kind, CAP_PERFMON or CAP_NET_ADMIN, and lockdown may forbid it"
        case nil where number == .e2big:
            stage = .verifier
            message = "the kernel refused function \"\(name)\": it has too many instructions"
        case nil:
            stage = .verifier
            message = "the kernel refused function \"\(name)\" without a reason: \(number)"
        case let reason? where isUnresolved(reason):
            stage = .relocation
            message = "function \"\(name)\" needs what this kernel lacks: \(reason)"
        case let reason?:
            stage = .verifier
            message = "the verifier refused function \"\(name)\": \(reason)"
        }
        var failure = LoadFailure(
            stage, message, errno: number, function: name, verifierLog: isLogWanted ? log : nil,
            libbpfLog: LibbpfLog.text)
        // A log that was cut makes the second try fail with ENOSPC, whatever the first failed with.
        if number == .enospc {
            failure.errno = text?.reason?.contains("too large") == true ? .e2big : nil
        }
        failure.reason = text?.reason
        failure.instruction = text?.instruction
        failure.source = text?.source
        return failure
    }

    /// Fills in which line of C it was, where the log lacks it or libbpf wrote over it.
    private static func locate(
        _ failure: inout LoadFailure, in lines: LineInformation, function: ObjectFunction
    ) {
        if failure.stage != .relocation, failure.source?.file != nil { return }
        let own = failure.instruction.flatMap { at in
            at.index < function.ownInstructions
                ? lines.line(of: function.name, instruction: at.index) : nil
        }
        if let found = own ?? failure.source.flatMap({ lines.line(reading: $0.text) }) {
            failure.source = found
        }
    }

    /// What libbpf writes over the verifier's words about an instruction that it had poisoned
    /// (`fixup_verifier_log`).
    private static func isUnresolved(_ reason: String) -> Bool {
        reason.contains("failed to resolve CO-RE relocation")
            || reason.contains("is referenced but wasn't")
    }

    private static func failure(
        _ stage: LoadFailure.Stage, _ line: String, _ number: Errno, function: String? = nil
    ) -> LoadFailure {
        LoadFailure(
            stage, "libbpf cannot load the object: \(line)", errno: known(number),
            function: function, libbpfLog: LibbpfLog.text)
    }

    private static func known(_ number: Errno) -> Errno? {
        number.rawValue < firstOfLibbpf ? number : nil
    }

    /// `BPF object format invalid` of libbpf's own numbers, which it does not always print.
    private static func describe(_ number: Errno) -> String {
        guard number.rawValue >= firstOfLibbpf else { return number.description }
        var text = [CChar](repeating: 0, count: 128)
        _ = unsafe libbpf_strerror(number.rawValue, &text, text.count)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// libbpf's lines without its prefix and without those that only say that it failed.
    private static func usefulLines() -> [String] {
        LibbpfLog.lines.map { line in
            String(line.hasPrefix("libbpf: ") ? line.dropFirst(8) : line[...])
        }.filter { line in
            !line.hasPrefix("failed to load object") && !line.contains("ulimit -l")
                && !line.hasPrefix("elf: skipping ")
                && !line.contains(": failed to load: ")
        }
    }

    /// `prog 'count': what happened` in two parts.
    private static func subject(_ kind: String, _ line: String) -> (String, Substring)? {
        let start = "\(kind) '"
        guard line.hasPrefix(start) else { return nil }
        let rest = line.dropFirst(start.count)
        guard let end = rest.firstIndex(of: "'") else { return nil }
        let after = rest[rest.index(after: end)...]
        return (String(rest[..<end]), after.hasPrefix(": ") ? after.dropFirst(2) : after)
    }
}
