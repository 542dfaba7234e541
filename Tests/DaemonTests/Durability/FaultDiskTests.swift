import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// The state directory's disk is full, gives errors or cannot be written.
@Suite(.requiresRoot, .serialized) struct FaultDiskTests {
    @Test(.needs(.tracepoint))
    func `a full disk refuses with 507 what needs room, not what makes it`()
        throws
    {
        let disk = try SmallDisk(megabytes: 12)
        let apiary = disk.apiary
        try apiary.start()
        for name in ["a", "b", "c"] {
            try apiary.curl("PUT /v1/programs/\(name)?attach=auto", file: "counter.bpf.o")
                .answers(201)
        }
        try disk.fill()
        try apiary.curl("PUT /v1/programs/d", file: "hooks.bpf.o")
            .answers(507, problem: .noSpace)
        try apiary.curl("GET /v1/programs/a").answers(200, #"{"state":"loaded"}"#)
        try apiary.curl("GET /v1/probes").answers(200)
        // Until nothing fits any more.
        var refused = 0
        for number in 0..<2000 where refused == 0 {
            let answer = try apiary.curl(
                "PATCH /v1/programs/a", json: #"{"labels":{"n":"\#(number)"}}"#)
            if answer.status == 507 { refused = number + 1 } else { answer.answers(200) }
        }
        #expect(refused > 0)
        try apiary.curl("DELETE /v1/probes/a.count").answers(204)
        try apiary.curl("PATCH /v1/probes/b.count", json: #"{"enabled":false}"#)
            .answers(200, #"{"state":"disabled"}"#)
        try apiary.curl("DELETE /v1/programs/c").answers(204)
        try apiary.curl("GET /v1/programs/c").answers(404)
        try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"n":"x"}}"#)
            .answers(507, problem: .noSpace)
        // Room again: no restart is needed.
        try disk.empty()
        try apiary.curl("PUT /v1/programs/d?attach=auto", file: "hooks.bpf.o").answers(201)
        try apiary.isSound("after the disk was full")
        try apiary.restart()
        try apiary.curl("GET /v1/probes/b.count").answers(200, #"{"state":"disabled"}"#)
        try apiary.curl("GET /v1/programs/c").answers(404)
        FaultReport.line(
            "a full disk", 1,
            "507; reads, detach, disable, delete go on; well again without restart")
    }

    @Test(.needs(.tracepoint))
    func `a state directory that cannot be written is told, and nothing is half done`()
        throws
    {
        // Nothing that is open for writing can be mounted read-only: while it runs, by the library.
        let shim = try Shim()
        let disk = try SmallDisk(megabytes: 12)
        let apiary = disk.apiary
        apiary.environment = shim.environment
        try apiary.start()
        try apiary.curl("PUT /v1/programs/a?attach=auto", file: "counter.bpf.o").answers(201)
        // EROFS, and EIO of a disk that gives up.
        for errno in ["30", "5"] {
            try shim.set("pwrite", errno)
            let refused = try apiary.curl("PUT /v1/programs/b", file: "counter.bpf.o")
            #expect(refused.status == 507, "\(refused)")
            let label = try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"x":"y"}}"#)
            #expect(label.status == 507, "\(label)")
            try apiary.curl("GET /v1/probes/a.count").answers(200, #"{"state":"attached"}"#)
            try shim.set("pwrite", "")
            try apiary.curl("GET /v1/programs/a").answers(200, #"{"labels":{}}"#)
            try apiary.isSound("after writes failed with errno \(errno)")
        }
        try apiary.curl("PUT /v1/programs/b?attach=auto", file: "counter.bpf.o").answers(201)
        try apiary.isSound("after the disk could not be written")
        apiary.stop()
        try disk.remount("ro")
        try apiary.launch()
        #expect(try apiary.waitsForDeath())
        #expect(apiary.log.contains("cannot") || apiary.log.contains("Cannot"))
        try disk.remount("rw")
        try apiary.start()
        try apiary.curl("GET /v1/probes/b.count").answers(200, #"{"state":"attached"}"#)
        FaultReport.line(
            "writes fail with EROFS, EIO", 4, "507, nothing changed; well again after it")
        FaultReport.line("a start on a read-only state directory", 1, "refuses to start")
    }

    @Test(.needs(.tracepoint)) func `a failed fsync is never a 2xx`() throws {
        let shim = try Shim()
        let apiary = try TestDaemon(environment: shim.environment)
        try apiary.curl("PUT /v1/programs/a?attach=auto", file: "counter.bpf.o").answers(201)
        try shim.set("fsync", "5")
        for _ in 0..<3 {
            let answer = try apiary.curl("PUT /v1/programs/b", file: "hooks.bpf.o")
            #expect(answer.status == 507, "\(answer)")
            let label = try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"x":"y"}}"#)
            #expect(label.status == 507, "\(label)")
        }
        try apiary.curl("GET /v1/programs/a").answers(200, #"{"labels":{}}"#)
        try apiary.curl("GET /v1/programs/b").answers(404)
        try shim.set("fsync", "")
        try apiary.curl("PATCH /v1/programs/a", json: #"{"labels":{"x":"z"}}"#).answers(200)
        try apiary.isSound("after fsync failed")
        apiary.kill9()
        try apiary.start()
        try apiary.curl("GET /v1/programs/a").answers(200, #"{"labels":{"x":"z"}}"#)
        try apiary.isSound("after fsync failed and a kill")
        FaultReport.line("fsync fails with EIO", 6, "507, nothing changed; well again after it")
    }

    @Test(.needs(.tracepoint)) func `the clock jumps by an hour`() throws {
        let shim = try Shim()
        let apiary = try TestDaemon(environment: shim.environment)
        for (number, seconds) in ["3600", "-3600", "0"].enumerated() {
            try shim.set("clock", seconds)
            try apiary.curl("PUT /v1/programs/p\(number)?attach=auto", file: "counter.bpf.o")
                .answers(201)
            try apiary.curl("GET /v1/events?follow=false").answers(200)
        }
        try apiary.restart()
        #expect(try apiary.curl("GET /v1/probes?state=attached").names("id").count == 3)
        try apiary.isSound("after clock jumps")
        FaultReport.line("the clock jumps by an hour, both ways", 2, "changes, restart: all there")
    }

    @Test func `a broken registry is refused in words, and left as it is`() throws {
        let apiary = try TestDaemon()
        apiary.stop()
        let path = apiary.stateDirectory + "/registry.sqlite"
        let sound = try FileSystem.read(path)
        var broken = sound
        for index in stride(from: 4096, to: min(broken.count, 12288), by: 7) {
            broken[index] ^= 0x5A
        }
        let cases: [(String, [UInt8])] = [
            ("damaged pages", broken), ("no database", Array("this is no database at all".utf8)),
            ("cut off", Array(sound.prefix(sound.count / 2 + 100))),
        ]
        for (what, bytes) in cases {
            try FileSystem.replace(path, with: bytes.span)
            try apiary.launch()
            #expect(try apiary.waitsForDeath(), "\(what)")
            #expect(try FileSystem.read(path) == bytes, "\(what): the file was changed")
            #expect(apiary.log.contains("cannot be used"), "\(what): \(apiary.log.suffix(500))")
            FaultReport.line("a registry with \(what)", 1, "refuses to start, the file kept")
        }
        try FileSystem.replace(path, with: sound.span)
        try apiary.start()
    }

    @Test func `a registry of a later release is refused in words, and left as it is`() throws {
        let apiary = try TestDaemon()
        apiary.stop()
        try apiary.sql("INSERT INTO grdb_migrations VALUES ('v9999_future')")
        try apiary.launch()
        #expect(try apiary.waitsForDeath())
        #expect(apiary.log.contains("later release"))
        #expect(try apiary.verify().status == 2)
        try apiary.sql("DELETE FROM grdb_migrations WHERE identifier = 'v9999_future'")
        try apiary.start()
        FaultReport.line("a later release's registry", 1, "refuses to start, the file kept")
    }
}

/// A state directory on a small file system of its own.
final class SmallDisk {
    let apiary: TestDaemon

    init(megabytes: Int) throws {
        apiary = try TestDaemon(isStarted: false)
        try Machine.run(
            "mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0700", "tmpfs",
            apiary.stateDirectory)
    }

    deinit {
        apiary.stop()
        do { try Machine.run("umount", "--lazy", apiary.stateDirectory) } catch {
            print("\(error)")
        }
    }

    func fill() throws {
        try Machine.run(
            "sh", "-c",
            "dd if=/dev/zero of=\(apiary.stateDirectory)/filler bs=4096 2>/dev/null; true")
    }

    func empty() throws { try FileSystem.unlink(apiary.stateDirectory + "/filler") }

    func remount(_ mode: String) throws {
        try Machine.run("mount", "-o", "remount,\(mode)", apiary.stateDirectory)
    }
}

/// A library put before libc that fails fsync or moves the clock as files say.
final class Shim {
    private let directory: String

    init() throws {
        directory = "/tmp/apiary-shim-" + String(UInt64.random(in: .min ... .max), radix: 36)
        try FileSystem.makeDirectory(directory)
        let source = Repository.root + "/Tests/DaemonTests/Durability/shim.c"
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let swift = try #require(
            path.split(separator: ":").map { $0 + "/swift" }.first { FileSystem.exists($0) })
        let real = try Machine.run("readlink", "-f", swift)
        let clang = FileSystem.parent(of: real.trimmingCharacters(in: .newlines)) + "/clang"
        try Machine.run(clang, "-shared", "-fPIC", "-O1", "-o", directory + "/shim.so", source)
    }

    deinit { try? FileSystem.removeTree(directory) }

    var environment: [String: String] {
        ["LD_PRELOAD": directory + "/shim.so", "SHIM_DIRECTORY": directory]
    }

    /// - Parameter value: of `fsync` and `pwrite` an errno, of `clock` seconds; empty: as libc.
    func set(_ name: String, _ value: String) throws {
        try FileSystem.replace(directory + "/" + name, with: Array(value.utf8).span)
    }
}
