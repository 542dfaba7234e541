import Foundation
import Glibc
import JSON
import Linux
import TestSupport

/// One curl on `/v1/events`, whose output goes to a file: it can be stopped, so that it does not
/// read, and what came is looked at whenever the model wants to.
final class ModelConnection {
    let curlLine: String
    private let process = Process()
    private let path: String
    private let file: FileHandle
    private var partial: [UInt8] = []

    /// - Parameter path: of a file of its own.
    init(_ socket: String, _ target: String, header: String? = nil, _ path: String) throws {
        let url = "http://localhost/v1/events?" + target
        let headers = header.map { ["-H", $0] } ?? []
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments =
            ["-sSgN", "--fail-with-body", "--unix-socket", socket] + headers + [url]
        curlLine = "curl \((process.arguments ?? []).joined(separator: " "))"
        self.path = path
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let output = FileHandle(forWritingAtPath: path),
            let input = FileHandle(forReadingAtPath: path)
        else { throw Machine.Failure(description: "\(path) cannot be written") }
        file = input
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        // A broken connection is told on it; what matters of that is the exit status.
        process.standardError = FileHandle.nullDevice
        try runWithDefaultSignals(process)
        try output.close()
    }

    deinit {
        end()
        try? FileManager.default.removeItem(atPath: path)
    }

    func signal(_ number: Int32) {
        if process.isRunning { kill(process.processIdentifier, number) }
    }

    /// As a client that goes away.
    func end() {
        guard process.isRunning else { return }
        signal(SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for the answer's end. A client that was stopped goes on.
    func exitStatus() -> Int32 {
        signal(SIGCONT)
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The whole lines that came since the last look: of NDJSON, of a JSON sequence, or the data of
    /// server-sent events. What was cut off in a line's middle is none.
    func lines() throws -> [JSONValue] {
        partial += try file.readToEnd() ?? Data()
        guard let end = partial.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        defer { partial.removeSubrange(...end) }
        return try partial[...end].split(separator: UInt8(ascii: "\n")).compactMap { line in
            var text = line.first == 0x1e ? line.dropFirst() : line
            if text.starts(with: "data: ".utf8) { text = text.dropFirst(6) }
            if text.first != UInt8(ascii: "{") {
                guard text.starts(with: "id: ".utf8) || text.starts(with: "event: ".utf8) else {
                    throw Machine.Failure(
                        description: "\(curlLine)\n\(String(decoding: line, as: UTF8.self))")
                }
                return nil
            }
            return try JSONValue.parse(String(decoding: text, as: UTF8.self))
        }
    }
}
