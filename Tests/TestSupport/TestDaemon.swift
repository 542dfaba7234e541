public import Foundation
internal import Glibc
internal import Linux

/// Why a daemon of a test could not be started, or curl could not ask it.
public struct TestDaemonError: Error, CustomStringConvertible {
    public let description: String
}

/// A daemon of one test's own: the built `apiary` with private directories, a private bpffs and a
/// socket, below `/tmp/apiary-test-…`. Needs root. Everything goes when the object goes: the
/// process, its pins with their bpffs, its files. One thread at a time.
public final class TestDaemon {
    public let directory: String
    /// Further arguments to `apiary serve`, from the next start on.
    public var arguments: [String]
    public var environment: [String: String]
    /// A command that becomes the daemon, from the next start on: `["nsenter", "--net=…"]`,
    /// `["setpriv", "--bounding-set=-bpf"]`. Empty: nothing.
    public var launcher: [String] = []
    private var process: Process?
    private var mountedBPFFS = false
    var requestCount = 0

    public var socket: String { directory + "/run/apiary.sock" }
    public var runtimeDirectory: String { directory + "/run" }
    public var stateDirectory: String { directory + "/state" }
    public var bpffs: String { directory + "/bpffs" }

    /// Starts it and waits until it is ready.
    /// - Parameter isStarted: false prepares the directories only; `start()` starts it.
    public init(
        arguments: [String] = [], environment: [String: String] = [:], isStarted: Bool = true
    ) throws {
        self.arguments = arguments
        self.environment = environment
        let random = String(UInt64.random(in: .min ... .max), radix: 36)
        directory = "/tmp/apiary-test-" + random
        try FileSystem.makeDirectory(directory)
        for name in ["/run", "/state", "/bpffs", "/curl"] {
            try FileSystem.makeDirectory(directory + name, mode: name == "/run" ? 0o750 : 0o700)
        }
        try TracingFileSystem.mountWhereMissing()
        try FileSystem.mount("bpf", at: bpffs)
        mountedBPFFS = true
        if isStarted { try start() }
    }

    /// Lets every user reach the socket, for tests of who may what.
    public func openDirectories() throws {
        for (path, mode) in [("", 0o711), ("/run", 0o711), ("/curl", 0o777)] as [(String, UInt32)] {
            try FileSystem.changeMode(directory + path, mode)
        }
    }

    /// A TCP port that nobody listens on at the moment.
    public static func freePort() throws -> Int {
        let used = FileSystem.text("/proc/net/tcp") ?? ""
        while true {
            let port = Int.random(in: 20_000..<30_000)
            if !used.contains(":" + String(port, radix: 16, uppercase: true) + " ") { return port }
        }
    }

    deinit {
        stop()
        removeTraceInstance()
        if mountedBPFFS { unmount() }
        do { try FileSystem.removeTree(directory) } catch {
            print("TestDaemon: \(directory) stays: \(error)")
        }
    }

    /// The daemon's process id; nil while it does not run.
    public var processIdentifier: Int32? {
        guard let process, process.isRunning else { return nil }
        return process.processIdentifier
    }

    /// What the daemon has written to its standard output and error, over all its starts.
    public var log: String { FileSystem.text(directory + "/daemon.log") ?? "" }

    /// Starts the daemon and waits until `/v1/ready` answers 200.
    public func start(deadlineSeconds: Int = 30) throws {
        try launch()
        let deadline = Deadline(seconds: deadlineSeconds)
        while !isReady() {
            guard processIdentifier != nil else {
                throw TestDaemonError(description: "the daemon ended at its start:\n\(logTail)")
            }
            guard !deadline.isOver else {
                throw TestDaemonError(
                    description: "not ready after \(deadlineSeconds) s:\n\(logTail)")
            }
            Clock.sleep(nanoseconds: 5_000_000)
        }
    }

    /// Starts the process without waiting for anything.
    public func launch() throws {
        precondition(processIdentifier == nil, "the daemon runs already")
        let executable = Repository.buildDirectory + "/apiary"
        guard FileSystem.exists(executable) else {
            throw TestDaemonError(description: "\(executable) is not built: swift build")
        }
        let output = try appending(to: directory + "/daemon.log")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: launcher.isEmpty ? executable : "/usr/bin/env")
        process.arguments =
            (launcher.isEmpty ? [] : launcher + [executable]) + [
                "serve", "--runtime-dir", runtimeDirectory, "--state-dir", stateDirectory,
                "--bpffs", bpffs, "--socket", socket,
            ] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try runWithDefaultSignals(process)
        try output.close()
        self.process = process
    }

    /// As a crash: SIGKILL, and waits for the end.
    public func kill9() {
        signal(SIGKILL)
        process?.waitUntilExit()
    }

    /// Stops it where it runs, and starts it on the same directories.
    public func restart() throws {
        stop()
        try start()
    }

    /// SIGTERM, and waits for the end; after 20 s SIGKILL.
    /// - Returns: the exit status; nil where a signal ended it or it did not run.
    @discardableResult
    public func stop() -> Int32? {
        guard let process, process.isRunning else { return nil }
        signal(SIGTERM)
        let deadline = Deadline(seconds: 20)
        while process.isRunning && !deadline.isOver { Clock.sleep(nanoseconds: 2_000_000) }
        if process.isRunning {
            print("TestDaemon: the daemon did not stop in 20 s:\n\(logTail)")
            signal(SIGKILL)
        }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : nil
    }

    /// Sends a signal to the daemon, if it runs.
    public func signal(_ number: Int32) {
        if let processIdentifier { kill(processIdentifier, number) }
    }

    var logTail: String { String(log.suffix(4000)) }

    private func isReady() -> Bool {
        let arguments = [
            "-s", "-o", "/dev/null", "--max-time", "5", "-w", "%{http_code}", "--unix-socket",
            socket,
            "http://localhost/v1/ready",
        ]
        do {
            let exit = try Child.run(
                curlPath, arguments: arguments, deadlineMilliseconds: 10_000, outputLimit: 64)
            return String(decoding: exit.output, as: UTF8.self) == "200"
        } catch {
            return false
        }
    }

    /// What a daemon that was killed leaves in tracefs, by its journal's id.
    private func removeTraceInstance() {
        let id = FileSystem.text(runtimeDirectory + "/journal/journal-id") ?? ""
        let path = "\(TracingFileSystem.path)/instances/apiary-\(id.prefix { $0 != "\n" })"
        guard id.utf8.count > 15, FileSystem.exists(path) else { return }
        if unsafe rmdir(path) != 0 { print("TestDaemon: \(path) stays: \(Errno.current)") }
    }

    private func unmount() {
        for options in [[], ["--lazy"]] {
            do {
                let exit = try Child.run(
                    "/bin/umount", arguments: options + [bpffs], deadlineMilliseconds: 30_000,
                    outputLimit: 4096)
                if exit.reason == .exited(0) { return }
            } catch {
                print("TestDaemon: umount: \(error)")
            }
        }
        print("TestDaemon: \(bpffs) stays mounted")
    }
}

/// Starts a process whose signals are not blocked. Tests run on threads of libdispatch, which block
/// nearly all; Foundation's Process hands that on, and its child would never see a SIGTERM.
public func runWithDefaultSignals(_ process: Process) throws {
    var none = sigset_t()
    var before = sigset_t()
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { unsafe _ = pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
}

/// The file, made where it is missing, open at its end.
func appending(to path: String) throws -> FileHandle {
    if !FileSystem.exists(path) { try FileSystem.replace(path, with: [UInt8]().span) }
    guard let file = FileHandle(forWritingAtPath: path) else {
        throw TestDaemonError(description: "\(path) cannot be written")
    }
    try file.seekToEnd()
    return file
}

/// A point in time on the monotonic clock after which nothing is waited for.
struct Deadline {
    private let nanoseconds: UInt64

    init(seconds: Int) {
        nanoseconds = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
    }

    var isOver: Bool { Clock.monotonicNanoseconds() > nanoseconds }
}

/// Tracepoints need a tracefs, and fresh machines have none mounted.
enum TracingFileSystem {
    static let path = "/sys/kernel/tracing"

    static func mountWhereMissing() throws {
        let mounts = FileSystem.text("/proc/mounts") ?? ""
        if mounts.contains(" tracefs ") || !FileSystem.exists(path) { return }
        do {
            try FileSystem.mount("tracefs", at: path)
            print("TestDaemon: mounted tracefs at \(path)")
        } catch {
            // Another test was quicker. (`catch where` on a typed error crashes Swift 6.3.1.)
            if error != .ebusy { throw error }
        }
    }
}
