internal import JSON
public import Linux

/// Starts `apiary-loader` for one object at a time; any number at once from any threads. Blocks.
///
/// libbpf must not be given untrusted ELF in a process that has to live: it crashes on some mutated
/// objects. In a child of its own, a crash is one failed load.
public struct Loader: Sendable {
    public let executable: String
    public var limits: LoaderLimits
    /// Of this loader and its copies.
    public let statistics = LoaderStatistics()
    /// The one that waits, where one does.
    public let spare: SpareLoader?

    /// - Parameter executable: path of apiary-loader, beside the daemon's own by default.
    /// - Parameter spare: one that waits, of the same executable; nil: each task starts its own.
    public init(
        executable: String, limits: LoaderLimits = LoaderLimits(), spare: SpareLoader? = nil
    ) {
        self.executable = executable
        self.limits = limits
        self.spare = spare
    }

    /// Loads an object, pins what came of it, and tells what it is.
    ///
    /// `object` is sealed. After a failure the pin directory has no pin of this load.
    /// - Throws: `LoadFailure`; nothing is loaded then.
    /// - Note: 5 ms and the verifier's time. Blocks the calling thread up to the deadline.
    public func load(_ object: MemoryFile, _ request: LoadRequest) throws(LoadFailure)
        -> LoadReport
    {
        Stint.current?.advance()
        let began = Clock.monotonicNanoseconds()
        do throws(LoadFailure) {
            let report = try loaded(object, request)
            statistics.count(nil, nanoseconds: Clock.monotonicNanoseconds() - began)
            return report
        } catch {
            statistics.count(error.stage, nanoseconds: Clock.monotonicNanoseconds() - began)
            throw error
        }
    }

    private func loaded(_ object: MemoryFile, _ request: LoadRequest) throws(LoadFailure)
        -> LoadReport
    {
        do {
            try object.seal()
        } catch {
            throw LoadFailure(.request, "the object cannot be sealed: \(error)", errno: error)
        }
        fault(.beforeLoad)
        do throws(LoadFailure) {
            let answer = try run(.load(request), on: object.descriptor.raw, "this object")
            guard case .report(let report) = answer else {
                throw LoadFailure(.crash, "the loader answered with something else than a report")
            }
            fault(.afterLoad)
            return report
        } catch {
            if let directory = request.pinDirectory { Self.removePins(in: directory) }
            throw error
        }
    }

    /// File offsets of function symbols in an ELF executable or library, for uprobes.
    /// - Parameter path: as this process sees it (`/proc/PID/root/…` for a container).
    /// - Parameter symbols: `malloc`, or with a version, `pthread_create@GLIBC_2.34`.
    /// - Returns: one offset for each symbol, in their order.
    /// - Throws: `request` where the file cannot be opened or lacks a symbol, `elf` where it is no
    ///   64-bit ELF executable or library.
    public func offsets(of symbols: [String], in path: String) throws(LoadFailure) -> [UInt64] {
        let file = try Self.open(path)
        let answer = try run(.symbols(symbols), on: file.raw, path)
        guard case .offsets(let offsets) = answer, offsets.count == symbols.count else {
            throw LoadFailure(.crash, "the loader answered with something else than offsets")
        }
        return offsets
    }

    /// File offsets of all functions whose names match, each once, in their order in the file.
    /// - Parameter pattern: `*` any letters, `?` one: `get*pid`.
    /// - Throws: `request` where none matches or more than `most` do; else as `offsets(of:in:)`.
    public func offsets(matching pattern: String, in path: String, atMost most: Int)
        throws(LoadFailure) -> [UInt64]
    {
        let file = try Self.open(path)
        let answer = try run(.matching(pattern, atMost: most), on: file.raw, path)
        guard case .offsets(let offsets) = answer else {
            throw LoadFailure(.crash, "the loader answered with something else than offsets")
        }
        return offsets
    }

    /// The places of a USDT probe in an ELF executable or library, with their arguments.
    /// - Throws: `request` where the file has no such probe, or one of its arguments is nowhere
    ///   that can be read; else as `offsets(of:in:)`.
    public func sites(ofProvider provider: String, name: String, in path: String)
        throws(LoadFailure) -> [USDTSite]
    {
        let file = try Self.open(path)
        let answer = try run(.usdt(provider: provider, name: name), on: file.raw, path)
        guard case .sites(let sites) = answer, !sites.isEmpty else {
            throw LoadFailure(.crash, "the loader answered with something else than places")
        }
        return sites
    }

    /// Registers a struct_ops map in the kernel by a link, pinned at `pin`, in a child with a
    /// deadline: where the kernel's lock for it is stuck the child hangs, unkillably, and not we.
    /// - Parameter map: a descriptor of the map.
    /// - Throws: `request` with the kernel's errno; `deadline` after 20 s at most.
    public func linkStructOps(map: Int32, pin: String) throws(LoadFailure) {
        var loader = self
        loader.limits.deadlineMilliseconds = min(20_000, limits.deadlineMilliseconds)
        let answer = try loader.run(.structOps(pin: pin), on: map, "struct_ops")
        guard case .linked = answer else {
            throw LoadFailure(.crash, "the loader answered with something else than a link")
        }
    }

    private static func open(_ path: String) throws(LoadFailure) -> FileDescriptor {
        do {
            // Not blocking: a path that is a FIFO must not hold this thread.
            return try FileDescriptor.open(path, [.read, .nonBlocking])
        } catch {
            throw LoadFailure(.request, "\(path) cannot be opened: \(error)", errno: error)
        }
    }

    /// Runs a child and gives its answer; a failure in it is thrown.
    ///
    /// Waits for its end too, unless what it holds is pinned and the spare's thread can do that.
    private func run(_ work: LoaderTask.Work, on input: Int32, _ subject: String)
        throws(LoadFailure) -> LoaderAnswer
    {
        let child: RunningChild
        do throws(Errno) {
            let text = LoaderTask(work, limits: limits).json.serialized()
            let task = try MemoryFile("apiary-task", holding: text.span)
            child = try start([input, task.descriptor.raw])
        } catch {
            throw LoadFailure(
                .crash, "the loader \(executable) did not start: \(error)", errno: error)
        }
        defer { spare?.replenish() }
        let output = child.output(
            deadlineMilliseconds: limits.deadlineMilliseconds, outputLimit: limits.reportBytes)
        // Anything but a whole report is looked at again, with how it ended.
        if let spare, case .load(let request) = work, request.pinDirectory != nil,
            !output.wasCut, case .report(let report)? = try? answer(output.bytes, nil)
        {
            spare.bury(child, output)
            return .report(report)
        }
        let exit = child.finish(output)
        if let failure = failure(of: exit, subject) { throw failure }
        return try answer(exit.output, exit.text)
    }

    /// - Parameter text: what the child said beside it.
    private func answer(_ bytes: [UInt8], _ text: String?) throws(LoadFailure) -> LoaderAnswer {
        let answer: LoaderAnswer?
        do {
            let limits = JSONLimits(depth: 64, values: 10_000_000)
            answer = LoaderAnswer(json: try JSONValue.parse(bytes.span, limits: limits))
        } catch {
            throw LoadFailure(
                .crash, "the loader's report is not JSON: \(error.reason)", libbpfLog: text)
        }
        switch answer {
        case .failure(let failure)?: throw failure
        case let answer?: return answer
        case nil:
            throw LoadFailure(
                .crash, "the loader's report is not of this daemon's version", libbpfLog: text)
        }
    }

    private func start(_ descriptors: [Int32]) throws(Errno) -> RunningChild {
        if let spare = spare?.take(descriptors) { return spare }
        return try Child.start(executable, arguments: [], descriptors: descriptors)
    }

    /// What an end other than "exited with 0 after a whole report" means.
    private func failure(of exit: Child.Exit, _ subject: String) -> LoadFailure? {
        switch exit.reason {
        case .deadline:
            LoadFailure(
                .deadline,
                "the loader took longer than \(limits.deadlineMilliseconds) ms on \(subject)",
                libbpfLog: exit.text)
        case .signalled(let number) where Signal.name(number) == "SIGXCPU":
            LoadFailure(
                .deadline, "the loader used \(limits.cpuSeconds) s of CPU time on \(subject)",
                libbpfLog: exit.text)
        case .signalled(let number) where Signal.name(number) == "SIGKILL":
            LoadFailure(
                .crash,
                "the loader was killed on \(subject), as the kernel does where memory runs out: of "
                    + "the host, or of the daemon's cgroup (MemoryMax)",
                errno: .enomem, libbpfLog: exit.text)
        case .signalled(let number):
            LoadFailure(
                .crash, "the loader ended by \(Signal.name(number)) on \(subject)",
                libbpfLog: exit.text)
        case .exited(0) where exit.outputWasCut:
            LoadFailure(
                .request, "the report on \(subject) is longer than \(limits.reportBytes) bytes")
        case .exited(0): nil
        case .exited(let status):
            LoadFailure(
                .crash, "the loader exited with \(status) on \(subject)", libbpfLog: exit.text)
        }
    }

    /// Removes the pins that a loader makes (`p0`, `m12`), and never anything else.
    private static func removePins(in directory: String) {
        let names: [String]
        do { names = try FileSystem.list(directory) } catch { return }
        for name in names where isPin(name) {
            // A pin that cannot be removed stays for the reconciler; the failure is the news.
            try? FileSystem.unlink(directory + "/" + name)
        }
    }

    private static func isPin(_ name: String) -> Bool {
        let digits = name.utf8.dropFirst()
        return (name.hasPrefix("p") || name.hasPrefix("m")) && !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

extension Child.Exit {
    /// What the child said on its standard error, `nil` where it said nothing.
    fileprivate var text: String? {
        errors.isEmpty ? nil : String(decoding: errors.suffix(16 << 10), as: UTF8.self)
    }
}
