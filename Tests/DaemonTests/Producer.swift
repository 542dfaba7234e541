import Foundation
import Glibc

/// A process that makes the programs' system call, getpgid(2), without being asked for each: some
/// calls, then a pause. It waits to be started, so that a program can look for its id before.
final class Producer {
    private let process = Process()
    private let input = Pipe()
    var processIdentifier: Int32 { process.processIdentifier }

    init(calls: Int, pauseMilliseconds: Int) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/perl")
        process.arguments = [
            "-e",
            """
            <STDIN>;
            while (1) {
                syscall(\(Workload.getpgid), 0) for 1 .. \(calls);
                select(undef, undef, undef, \(pauseMilliseconds) / 1000);
            }
            """,
        ]
        process.standardInput = input
        try process.run()
    }

    func start() {
        // One that has ended is told by the test's counts.
        try? input.fileHandleForWriting.write(contentsOf: Data("go\n".utf8))
    }

    func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
