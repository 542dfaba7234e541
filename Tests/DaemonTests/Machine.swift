import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// What a test asks of the machine beside the API, to hold the API's word against it.
enum Machine {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// - Throws: where the command ends with other than 0.
    @discardableResult
    static func run(_ command: String...) throws -> String {
        let exit = try Child.run(
            "/usr/bin/env", arguments: command, environment: ["PATH=" + path],
            deadlineMilliseconds: 60_000, outputLimit: 64 << 20)
        let output = String(decoding: exit.output, as: UTF8.self)
        guard exit.reason == .exited(0) else {
            let errors = String(decoding: exit.errors, as: UTF8.self)
            throw Failure(description: "\(command): \(exit.reason)\n\(output)\n\(errors)")
        }
        return output
    }

    /// `bpftool -j …`; nil where it refuses, as for an id that is gone. Its exit status does not
    /// tell: `link show id` of a perf event ends with 255 after the answer.
    static func bpftool(_ words: String...) throws -> JSONValue? { try bpftool(words) }

    static func bpftool(_ words: [String]) throws -> JSONValue? {
        let exit = try Child.run(
            "/usr/bin/env", arguments: ["bpftool", "-j"] + words, environment: ["PATH=" + path],
            deadlineMilliseconds: 60_000, outputLimit: 64 << 20)
        let answer = try JSONValue.parse(String(decoding: exit.output, as: UTF8.self))
        return answer["error"] == nil ? .some(answer) : .none
    }

    /// The clang that comes with Swift, which has the BPF target.
    static func clang() throws -> String {
        let searched = ProcessInfo.processInfo.environment["PATH"] ?? path
        for directory in searched.split(separator: ":")
        where FileSystem.exists("\(directory)/swift") {
            let swift = URL(fileURLWithPath: "\(directory)/swift").resolvingSymlinksInPath()
            return swift.deletingLastPathComponent().path + "/clang"
        }
        throw Failure(description: "there is no swift on PATH \(searched)")
    }

    static func hasLink(_ id: Int?) throws -> Bool {
        try bpftool("link", "show", "id", "\(id ?? 0)") != nil
    }

    static func hasProgram(_ id: Int?) throws -> Bool {
        try bpftool("prog", "show", "id", "\(id ?? 0)") != nil
    }

    static func hasMap(_ id: Int?) throws -> Bool {
        try bpftool("map", "show", "id", "\(id ?? 0)") != nil
    }

    /// Waits, as the kernel lets go of programs and maps after an RCU grace period.
    static func waits(seconds: Int = 60, until isTrue: () throws -> Bool) throws -> Bool {
        let deadline = Clock.monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        while try !isTrue() {
            if Clock.monotonicNanoseconds() > deadline { return false }
            Clock.sleep(nanoseconds: 5_000_000)
        }
        return true
    }

    static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

extension TestDaemon {
    /// The names in its bpffs; the kernel's own `maps.debug` and `progs.debug` left out.
    var pins: [String] {
        get throws { try FileSystem.list(bpffs).filter { !$0.contains(".") }.sorted() }
    }

    /// Processes whose parent it is: loaders, but for the spare that waits for its task.
    var children: [Int32] { get throws { try processes { $0 != "apiary-spare" } } }

    /// Waits for the end of the last loader, and for the next to wait in its place.
    var isAtRest: Bool {
        get throws { try Machine.waits { try children.isEmpty && spares.count == 1 } }
    }

    /// The loader that waits for its task.
    var spares: [Int32] { get throws { try processes { $0 == "apiary-spare" } } }

    private func processes(_ isWanted: (Substring) -> Bool) throws -> [Int32] {
        guard let processIdentifier else { return [] }
        return try FileSystem.list("/proc").compactMap { Int32($0) }.filter { id in
            // "12 (a name) S 1 …": the parent is the second word after the name.
            let text = FileSystem.text("/proc/\(id)/stat") ?? ""
            let parts = text.split(separator: ")")
            let words = parts.last?.split(separator: " ") ?? []
            let name = parts.first?.split(separator: "(").last ?? ""
            return words.count > 1 && Int32(words[1]) == processIdentifier && isWanted(name)
        }
    }

    /// The value of one entry of a map of integers.
    func value(_ map: String, _ key: Int) throws -> UInt64? {
        try curl("GET /v1/maps/\(map)/entries/\(key)").answers(200)["/value"]?.uint64
    }

    /// The present value of a program's variable.
    func global(_ program: String, _ name: String) throws -> JSONValue? {
        try curl("GET /v1/programs/\(program)").answers(200)["/globals"]?.array?
            .first { $0["name"]?.string == name }?["value"]
    }

    /// The kernel's id of a probe's link.
    func link(_ probe: String) throws -> Int? {
        try curl("GET /v1/probes/\(probe)").answers(200)["/link/kernel_id"]?.int
    }
}

extension Answer {
    /// The names of a list's items.
    func names(_ member: String = "name") -> [String] {
        self["/items"]?.array?.compactMap { $0[member]?.string } ?? []
    }
}
