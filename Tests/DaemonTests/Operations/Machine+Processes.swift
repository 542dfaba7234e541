import Foundation
import Linux
import TestSupport
import Testing

/// A process that a test runs beside itself, with what it starts in turn: one process group.
final class BackgroundProcess {
    private let process = Process()
    let log: String

    /// - Parameter log: gets its standard output and error.
    init(_ command: [String], log: String) throws {
        self.log = log
        if !FileSystem.exists(log) { try FileSystem.replace(log, with: [UInt8]().span) }
        let output = try #require(FileHandle(forWritingAtPath: log))
        try output.seekToEnd()
        // Foundation makes it the leader of a process group of its own.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ["PATH": Machine.path]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try runWithDefaultSignals(process)
        try output.close()
    }

    deinit { stop() }

    var isRunning: Bool { process.isRunning }
    var processIdentifier: Int32 { process.processIdentifier }
    var text: String { FileSystem.text(log) ?? "" }

    /// Waits for its end.
    /// - Returns: the exit status; `nil` past the deadline, or where a signal ended it.
    func wait(seconds: Int) -> Int32? {
        let deadline = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        while process.isRunning {
            guard Clock.monotonicNanoseconds() < deadline else { return nil }
            Clock.sleep(nanoseconds: 10_000_000)
        }
        return process.terminationReason == .exit ? process.terminationStatus : nil
    }

    /// Ends it with all that it started.
    func stop() {
        let leader = process.processIdentifier
        guard leader > 0 else { return }
        if kill(-leader, SIGTERM) != 0 { kill(leader, SIGTERM) }
        // Not waitUntilExit, which waits for whatever else holds its descriptors too.
        _ = wait(seconds: 5)
        kill(-leader, SIGKILL)
    }
}

extension Machine {
    static func start(_ command: String..., log: String) throws -> BackgroundProcess {
        try BackgroundProcess(command, log: log)
    }

    /// A port on 127.0.0.1 that nobody has in this moment.
    static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(descriptor, generic, length) == 0
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        try #require(isBound)
        return UInt16(bigEndian: address.sin_port)
    }

    static func has(_ command: String) -> Bool {
        path.split(separator: ":").contains { FileSystem.exists("\($0)/\(command)") }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips where a command is not installed, and says so.
    static func requires(_ command: String) -> Self {
        .enabled("needs \(command): scripts/setup.sh test installs it") {
            if Machine.has(command) { return true }
            print("skipped: \(command) is not installed: scripts/setup.sh test")
            return false
        }
    }
}

struct NeverCame: Error {}

/// Asks again and again until there is a value.
func eventually<Value>(seconds: Int = 30, _ body: () throws -> Value?) throws -> Value {
    let deadline = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
    while Clock.monotonicNanoseconds() < deadline {
        if let value = try body() { return value }
        Clock.sleep(nanoseconds: 20_000_000)
    }
    throw NeverCame()
}
