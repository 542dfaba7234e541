import Foundation
import Linux
public import Testing

extension TestDaemon {
    /// What `apiary verify` says of this daemon's directories, from outside.
    public struct Verdict: Sendable {
        public let status: Int32
        public let text: String
    }

    public func verify(_ arguments: String...) throws -> Verdict {
        let exit = try Child.run(
            Repository.buildDirectory + "/apiary",
            arguments: [
                "verify", "--runtime-dir", runtimeDirectory, "--state-dir", stateDirectory,
                "--bpffs", bpffs,
            ] + arguments,
            environment: ["PATH=/usr/bin:/bin"], deadlineMilliseconds: 60_000,
            outputLimit: 1 << 20)
        guard case .exited(let status) = exit.reason else {
            throw TestDaemonError(description: "apiary verify: \(exit.reason)")
        }
        return Verdict(
            status: status,
            text: String(decoding: exit.output, as: UTF8.self)
                + String(decoding: exit.errors, as: UTF8.self))
    }

    /// Expects that registry and kernel agree and nothing is left half done.
    public func isSound(
        _ when: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var verdict = try verify("--settled")
        // The kernel lets go of a closed link after an RCU grace period.
        let deadline = Deadline(seconds: 10)
        while verdict.status != 0 && !deadline.isOver {
            Clock.sleep(nanoseconds: 50_000_000)
            verdict = try verify("--settled")
        }
        if verdict.status != 0 {
            Issue.record(
                "\(when): apiary verify:\n\(verdict.text)\n\(logTail)",
                sourceLocation: sourceLocation)
        }
    }
}
