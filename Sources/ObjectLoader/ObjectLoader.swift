internal import Glibc
internal import JSON
internal import Linux
internal import Loading

/// The whole of the `apiary-loader` process: reads its task, confines itself, does it, answers.
///
/// Descriptor 3 is the object or the ELF file, 4 the task (`LoaderTask`), 1 takes the answer
/// (`LoaderAnswer`); a spare (`SpareLoader`) gets the first two when it is needed. One thread, one
/// task, no second life: what the kernel gave is released by the end of the process, except for
/// what was pinned.
public enum ObjectLoader {
    /// Never returns. Exit status 0: an answer was written, also that of a failure; 2: it was not
    /// started by the daemon.
    public static func main() -> Never {
        let output = FileDescriptor(owning: 1)
        do {
            let isConfined = CommandLine.arguments.dropFirst().first == SpareLoader.argument
            if isConfined { try waitForTask(CommandLine.arguments.dropFirst(2).map { $0 }) }
            let task = try readTask()
            try output.writeAll(answer(task, isConfined).json.serialized().span)
        } catch {
            let text = "apiary-loader is started by apiary, with a task as descriptor 4: \(error)\n"
            // Nobody may be there to read it.
            try? FileDescriptor(owning: 2).writeAll(Array(text.utf8).span)
            exit(2)
        }
        exit(0)
    }

    /// As the spare: descriptor 3 is a socket, by which the object and the task come.
    /// - Parameter limits: bytes of address space, seconds of CPU time.
    private static func waitForTask(_ limits: [String]) throws {
        guard limits.count == 2, let bytes = Int(limits[0]), let seconds = Int(limits[1]) else {
            throw Errno.einval
        }
        WarmUp.run()
        try Confinement.enter(
            "apiary-spare", addressSpaceBytes: bytes, cpuSeconds: seconds, mayReceive: true)
        let requests = FileDescriptor(owning: 3)
        // The daemon has ended, or has no use for a spare any more.
        if try requests.receive(as: 3) == 0 { exit(0) }
        // The object has taken the number: it is not the socket's to close.
        _ = requests.release()
        try Confinement.rename("apiary-loader")
    }

    private static func readTask() throws -> LoaderTask {
        let input = FileDescriptor(owning: 4)
        let bytes = try input.read(at: 0, atMost: input.size())
        let limits = JSONLimits(depth: 128, values: 10_000_000)
        guard let task = LoaderTask(json: try JSONValue.parse(bytes.span, limits: limits)) else {
            throw Errno.einval
        }
        return task
    }

    private static func answer(_ task: LoaderTask, _ isConfined: Bool) -> LoaderAnswer {
        do {
            if !isConfined {
                try Confinement.enter(
                    "apiary-loader", addressSpaceBytes: task.limits.addressSpaceBytes,
                    cpuSeconds: task.limits.cpuSeconds)
            }
        } catch {
            return .failure(
                LoadFailure(.crash, "the loader cannot confine itself: \(error)", errno: error))
        }
        let input = FileDescriptor(owning: 3)
        do throws(LoadFailure) {
            switch task.work {
            case .load(let request): return .report(try load(input, request))
            case .symbols(let names): return .offsets(try ELFSymbols.offsets(of: names, in: input))
            case .structOps(let pin):
                try StructOps.link(map: input, pin: pin)
                return .linked
            case .usdt(let provider, let name):
                return .sites(try USDTNotes.sites(provider: provider, name: name, in: input))
            case .matching(let pattern, let most):
                return .offsets(
                    try ELFSymbols.offsets(matching: GlobPattern(pattern), most, in: input))
            }
        } catch {
            return .failure(error)
        }
    }
}
