internal import Glibc
internal import JSON
internal import Linux
internal import Loading

/// The whole of the `apiary-loader` process: reads its task, confines itself, does it, answers.
///
/// Descriptor 3 is the object or the ELF file, 4 the task (`LoaderTask`), 1 takes the answer
/// (`LoaderAnswer`). One thread, one task, no second life: what the kernel gave is released by the
/// end of the process, except for what was pinned.
public enum ObjectLoader {
    /// Never returns. Exit status 0: an answer was written, also that of a failure; 2: it was not
    /// started by the daemon.
    public static func main() -> Never {
        let output = FileDescriptor(owning: 1)
        do {
            let task = try readTask()
            try output.writeAll(answer(task).json.serialized().span)
        } catch {
            let text = "apiary-loader is started by apiary, with a task as descriptor 4: \(error)\n"
            // Nobody may be there to read it.
            try? FileDescriptor(owning: 2).writeAll(Array(text.utf8).span)
            exit(2)
        }
        exit(0)
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

    private static func answer(_ task: LoaderTask) -> LoaderAnswer {
        do {
            try Confinement.enter(
                "apiary-loader", addressSpaceBytes: task.limits.addressSpaceBytes,
                cpuSeconds: task.limits.cpuSeconds)
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
