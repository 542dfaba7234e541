internal import Foundation
internal import Glibc
public import JSON
internal import Linux
public import Testing

extension TestDaemon {
    /// Starts `curl -N` in the background on a stream of NDJSON; each line is held against the
    /// contract when it is read. It ends with the object.
    public func stream(
        _ request: String, _ headers: String..., by reach: CurlReach? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> EventLines {
        let reach = reach ?? .socket(socket)
        let request = CurlRequest(request, headers, by: reach)
        requestCount += 1
        return try EventLines(
            request, as: reach.command, directory + "/curl/\(requestCount)", sourceLocation)
    }
}

/// The lines of one stream, as they come. One thread at a time.
public final class EventLines {
    public let curlLine: String
    private let process = Process()
    private let file: FileHandle
    private let errors: String
    private let schema: JSONValue
    private let sourceLocation: SourceLocation
    private var partial: [UInt8] = []
    private var unread: [JSONValue] = []

    init(
        _ request: CurlRequest, as command: [String], _ path: String,
        _ sourceLocation: SourceLocation
    ) throws {
        curlLine = request.line
        self.sourceLocation = sourceLocation
        let operation = OpenAPIDocument.contract.operation(request.method, request.path)
        schema =
            operation?.responses["200"]?.at("/content/application~1x-ndjson/schema") ?? false
        errors = path + ".errors"
        let output = try appending(to: path)
        let errorOutput = try appending(to: errors)
        guard let input = FileHandle(forReadingAtPath: path) else {
            throw TestDaemonError(description: "\(path) cannot be read")
        }
        file = input
        process.executableURL = URL(fileURLWithPath: command.first ?? curlPath)
        process.arguments = command.dropFirst() + ["-N", "--fail-with-body"] + request.arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errorOutput
        try runWithDefaultSignals(process)
        try output.close()
        try errorOutput.close()
    }

    /// Sends a signal to the client: SIGSTOP makes one that does not read.
    public func signal(_ number: Int32) {
        if process.isRunning { kill(process.processIdentifier, number) }
    }

    deinit { stop() }

    /// Takes lines until one satisfies `isLast`, which is the last of them.
    /// - Throws: where the stream ends, or the deadline passes, before there is one; the text has
    ///   the lines that came.
    @discardableResult
    public func lines(
        deadlineSeconds: Int = 20, until isLast: (JSONValue) throws -> Bool
    ) throws -> [JSONValue] {
        var taken: [JSONValue] = []
        let deadline = Deadline(seconds: deadlineSeconds)
        while true {
            // Asked first, so that what was written before the end is still read.
            let hasEnded = !process.isRunning
            try read()
            while !unread.isEmpty {
                let line = unread.removeFirst()
                taken.append(line)
                if try isLast(line) { return taken }
            }
            if hasEnded || deadline.isOver {
                let why = hasEnded ? "the stream ended" : "\(deadlineSeconds) s passed"
                let came = taken.suffix(20).map(\.compact).joined(separator: "\n")
                throw TestDaemonError(
                    description: """
                        $ \(curlLine)
                        \(why) before the line that was waited for; \(taken.count) lines came, last:
                        \(came)\(FileSystem.text(errors) ?? "")
                        """)
            }
            Clock.sleep(nanoseconds: 2_000_000)
        }
    }

    /// The next `count` lines of one kind; lines of other kinds between them are passed over.
    public func next(
        _ count: Int = 1, kind: String = "event", deadlineSeconds: Int = 20
    ) throws -> [JSONValue] {
        var found: [JSONValue] = []
        try lines(deadlineSeconds: deadlineSeconds) { line in
            if line["kind"]?.string == kind { found.append(line) }
            return found.count == count
        }
        return found
    }

    /// All further lines, when the stream has ended by itself.
    /// - Returns: curl's exit status too: 0, or 18 where the last chunk was missing.
    public func rest(deadlineSeconds: Int = 20) throws -> (lines: [JSONValue], exitStatus: Int32) {
        let deadline = Deadline(seconds: deadlineSeconds)
        while process.isRunning {
            guard !deadline.isOver else {
                throw TestDaemonError(
                    description: "$ \(curlLine)\ndid not end in \(deadlineSeconds) s")
            }
            Clock.sleep(nanoseconds: 2_000_000)
        }
        try read()
        defer { unread = [] }
        return (unread, process.terminationStatus)
    }

    public var isRunning: Bool { process.isRunning }

    /// Ends curl, as a client that goes away.
    public func stop() {
        guard process.isRunning else { return }
        process.terminate()
        // One that was stopped takes the signal only when it goes on.
        signal(SIGCONT)
        process.waitUntilExit()
    }

    private func read() throws {
        guard let data = try file.readToEnd(), !data.isEmpty else { return }
        partial += data
        while let end = partial.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: partial[..<end], as: UTF8.self)
            partial.removeSubrange(...end)
            let contract = OpenAPIDocument.contract
            for violation in contract.violations(ofLine: line, against: schema) {
                Issue.record(
                    "$ \(curlLine)\n\(line)\nagainst the contract: \(violation)",
                    sourceLocation: sourceLocation)
            }
            unread.append(try JSONValue.parse(line))
        }
    }
}
