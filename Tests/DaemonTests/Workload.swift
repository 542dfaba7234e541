import Foundation
import Linux
import TestSupport
import Testing

/// Another process that makes system calls when it is told to, each exactly so many times.
final class Workload {
    /// The number of getpgid(2), as raw tracepoints see it.
    #if arch(arm64)
        static let getpgid = 155
    #else
        static let getpgid = 121
    #endif

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    var processIdentifier: Int32 { process.processIdentifier }

    init() throws {
        // perl-base is on every Debian; its getppid calls libc's.
        let script = """
            $| = 1;
            while (<STDIN>) {
                my ($call, $times) = split;
                if ($call eq "getpgid") { syscall(\(Self.getpgid), $$ + 0) for 1 .. $times }
                if ($call eq "getppid") { getppid() for 1 .. $times }
                print "done\\n";
            }
            """
        process.executableURL = URL(fileURLWithPath: "/usr/bin/perl")
        process.arguments = ["-e", script]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try run("nothing", 0)
    }

    deinit {
        // A process that has ended by itself has closed its pipe already.
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Calls getpgid(2) so many times, and returns when that is done.
    func getpgid(_ times: Int) throws { try run("getpgid", times) }

    /// Calls libc's `getppid` so many times, and returns when that is done.
    func getppid(_ times: Int) throws { try run("getppid", times) }

    /// Begins so many calls of getpgid(2); `finish` waits for their end.
    func beginGetpgid(_ times: Int) throws { try begin("getpgid", times) }

    private func run(_ call: String, _ times: Int) throws {
        try begin(call, times)
        try finish()
    }

    private func begin(_ call: String, _ times: Int) throws {
        try input.fileHandleForWriting.write(contentsOf: Data("\(call) \(times)\n".utf8))
    }

    /// Waits for what was begun.
    func finish() throws {
        guard try output.fileHandleForReading.read(upToCount: 5) == Data("done\n".utf8) else {
            throw Machine.Failure(description: "perl ended before it answered")
        }
    }
}

extension TestDaemon {
    /// Loads and attaches an object that looks at one process only.
    func load(
        _ program: String, _ object: String, watching process: Int32,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try curl(
            "PUT /v1/programs/\(program)?attach=auto&global=target_pid=\(process)", file: object
        ).answers(201, sourceLocation: sourceLocation)
    }
}
