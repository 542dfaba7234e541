internal import ArgumentParser
internal import ControlPlane
internal import Foundation
internal import JSON
internal import Linux
internal import Loading
internal import Logging
internal import Problems
internal import Registry

/// `apiary restore`: a backup becomes a state directory, and what this host cannot do is told.
struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a state directory of a backup (GET /v1/backup), and say what this host "
            + "cannot load or attach.",
        discussion: """
            No daemon may run on the directory. Everything is checked before anything is put in \
            its place: the archive, the registry (its pages, its release), each object's SHA-256. \
            Exit status 0: restored, and all of it is possible here; 3: restored, and some of it \
            is not; 1: nothing was changed. The daemon loads and attaches at its next start.
            """)

    @OptionGroup var options: ServeOptions

    @Argument(
        help: ArgumentHelp("The backup; - reads it from standard input.", valueName: "file"),
        completion: .file())
    var file: String

    @Flag(name: .long, help: "Move what is in the state directory aside, into before-restore-….")
    var force = false

    @Flag(name: .long, help: "A JSON document for each program and probe, one a line.")
    var json = false

    @Flag(name: .long, help: "Do not try what is restored on this host: nothing is loaded.")
    var withoutTrial = false

    func run() throws {
        let configuration = try Configuration(options)
        let directory = configuration.text("state_dir")
        let archive: RestoredArchive
        var isMade = !FileSystem.exists(directory)
        defer {
            // Nothing was put into it; its lock is all that lies there.
            if isMade {
                try? FileSystem.unlink(directory + "/lock")
                try? FileSystem.removeDirectory(directory)
            }
        }
        do {
            try FileSystem.makeDirectories(directory, mode: 0o700)
            let lock = try FileLock(directory + "/lock")
            archive = try RestoredArchive(file, into: directory, isForced: force)
            isMade = false
            _ = lock
        } catch let error as RestoreError {
            throw failure(error.reason)
        } catch let error as Errno {
            throw failure(
                error == .eagain
                    ? "Another apiary runs in \(directory): stop it first."
                    : "\(directory): \(error)")
        }
        if !json {
            print(
                "restored \(archive.programs) programs, \(archive.probes) probes, "
                    + "\(archive.objects) objects into \(directory), as of \(archive.createdAt)")
            if let aside = archive.aside { print("what was there is in \(aside)") }
        }
        if withoutTrial || archive.programs + archive.probes == 0 { return }
        let rehearsals = try rehearse(configuration)
        for rehearsal in rehearsals { print(json ? line(rehearsal) : row(rehearsal)) }
        let impossible = rehearsals.count { $0.verdict == .impossible }
        if !json && impossible > 0 { print("\(impossible) cannot be on this host") }
        if impossible > 0 { throw ExitCode(3) }
    }

    private func failure(_ reason: String) -> any Error {
        CommandRefusal("\(reason) Nothing was changed.")
    }

    private func rehearse(_ configuration: Configuration) throws -> [Rehearsal] {
        let scratch = configuration.text("state_dir") + "/restore-trial"
        defer {
            // Empty files of a journal that nobody wrote to.
            try? FileSystem.removeTree(scratch)
        }
        let pins = configuration.text("bpffs")
        let isMade = !FileSystem.exists(pins)
        defer {
            // Only the trial wanted it; the daemon makes it again at its start.
            if isMade { try? FileSystem.removeDirectory(pins) }
        }
        do {
            try FileSystem.makeDirectories(pins, mode: 0o700)
            let node = try Node(
                NodeConfiguration(
                    stateDirectory: configuration.text("state_dir"), journalDirectory: scratch,
                    bpffsDirectory: pins,
                    loader: Loader(executable: configuration.text("loader"))),
                log: Logger(label: "restore") { _ in SwiftLogNoOpLogHandler() })
            defer {
                node.stop()
                node.close()
            }
            return try node.rehearseRegistered()
        } catch let problem as Problem {
            throw CommandRefusal("It is restored, but cannot be tried here: \(problem.detail)")
        } catch {
            throw CommandRefusal("It is restored, but cannot be tried here: \(error).")
        }
    }

    private func line(_ rehearsal: Rehearsal) -> String {
        var document = JSONObject()
        document["kind"] = .string(rehearsal.subject.rawValue)
        document["name"] = .string(rehearsal.name)
        document["verdict"] = .string(rehearsal.verdict.rawValue)
        if let problem = rehearsal.problem {
            document["code"] = .string(problem.type.code)
            document["detail"] = .string(problem.detail)
            document["errno"] = problem.errno.map { .string($0) }
        }
        return String(decoding: JSONValue.object(document).serialized(), as: UTF8.self)
    }

    private func row(_ rehearsal: Rehearsal) -> String {
        let head =
            rehearsal.verdict.rawValue.padding(toLength: 11, withPad: " ", startingAt: 0)
            + "\(rehearsal.subject.rawValue) \(rehearsal.name)"
        guard let problem = rehearsal.problem else { return head }
        return head + ": \(problem.type.code): \(problem.detail)"
    }
}
