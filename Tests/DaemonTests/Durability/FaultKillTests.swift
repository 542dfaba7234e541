import JSON
import Linux
import TestSupport
import Testing

/// `kill -9` at random times under four writers and eight streams: after each start all that was
/// acknowledged is there, what was not is there wholly or not at all, and `apiary verify` agrees.
@Suite(.requiresRoot) struct FaultKillTests {
    @Test(.needs(.uprobe)) func `kills at random times under writers and streams lose nothing`()
        throws
    {
        let apiary = try TestDaemon()
        let other = try Workload()
        // One that is left alone: it must count through all of it, without a gap.
        try apiary.load("steady", "hooks.bpf.o", watching: other.processIdentifier)
        let cycles = FaultRun.isLong ? 200 : 6
        var expected: UInt64 = 0
        for cycle in 0..<cycles {
            let delay = UInt64.random(in: 5_000_000...600_000_000)
            let writers = try (0..<4).map { try Writer($0, apiary, cycle) }
            let streams = try Streams(8, apiary)
            Clock.sleep(nanoseconds: delay)
            apiary.kill9()
            try other.getppid(3)
            expected += 3
            for writer in writers { writer.join() }
            streams.join()
            try apiary.start()
            try other.getppid(2)
            expected += 2
            let when = "cycle \(cycle), killed after \(delay / 1_000_000) ms"
            try apiary.isSound(when)
            for writer in writers { try writer.check(when) }
        }
        #expect(try apiary.value("steady/counts", 3) == expected)
        FaultReport.line(
            "kill -9 at random times, 4 writers, 8 streams", cycles,
            "nothing acknowledged is lost, nothing half done; a probe counted without a gap")
    }
}

/// A shell that changes a program of its own and notes before and after what it does.
private final class Writer {
    private let program: String
    private let apiary: TestDaemon
    private let notes: String
    private let thread: NamedThread

    init(_ number: Int, _ apiary: TestDaemon, _ cycle: Int) throws {
        program = "w\(number)"
        self.apiary = apiary
        notes = apiary.directory + "/writer\(number)"
        try FileSystem.unlink(notes)
        let object = Repository.object(number % 2 == 0 ? "hooks.bpf.o" : "counter.bpf.o")
        let probe = number % 2 == 0 ? "w\(number).on_entry" : "w\(number).count"
        let script = """
            say() { echo "$@" >> \(notes); }
            ask() { curl -s -o /dev/null -w '%{http_code}' --max-time 20 \
                --unix-socket \(apiary.socket) "$@"; }
            do_it() {
                say "try $1"; what=$1; shift
                code=$(ask "$@")
                case $code in 2*) say "done $what" ;; 000|1*) say "cut $what"; exit 0 ;;
                *) say "refused $what $code" ;; esac
            }
            base=http://localhost/v1
            for n in $(seq 1000); do
                do_it "label=\(cycle).$n" -T \(object) \
                    "$base/programs/\(program)?attach=auto&label=n=\(cycle).$n"
                do_it "disabled" -X PATCH --json '{"enabled":false}' $base/probes/\(probe)
                do_it "enabled" -X PATCH --json '{"enabled":true}' $base/probes/\(probe)
                [ $((n % 3)) = 0 ] && do_it "absent" -X DELETE $base/programs/\(program)
            done
            """
        thread = try NamedThread("writer") {
            // It ends when nobody answers any more; its notes say how far it came.
            _ = try? Machine.run("bash", "-c", script)
        }
    }

    func join() { thread.join() }

    /// What is registered is what was last acknowledged, or what was tried after it.
    func check(_ when: String) throws {
        let lines = (FileSystem.text(notes) ?? "").split(separator: "\n").map(String.init)
        let refused = lines.filter { $0.hasPrefix("refused") }
        #expect(refused.isEmpty, "\(when): \(program): \(refused)")
        var label: String?
        var isThere: Bool?
        var pending: String?
        for line in lines {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            if parts[0] == "try" { pending = parts[1] }
            guard parts[0] == "done" else { continue }
            pending = nil
            if parts[1].hasPrefix("label=") {
                label = String(parts[1].dropFirst(6))
                isThere = true
            }
            if parts[1] == "absent" { isThere = false }
        }
        guard let isThere else { return }
        let answer = try apiary.curl("GET /v1/programs/\(program)")
        let actual = answer.status == 200 ? answer["/labels/n"]?.string : nil
        var allowed: [String?] = [isThere ? label : nil]
        if pending == "absent" { allowed.append(nil) }
        if let pending, pending.hasPrefix("label=") {
            allowed.append(String(pending.dropFirst(6)))
        }
        #expect(
            allowed.contains { $0 == actual },
            "\(when): \(program) has \(actual ?? "nothing"), of \(allowed)")
    }
}

/// Readers of events, which the kill cuts off.
private final class Streams {
    private let threads: [NamedThread]

    init(_ count: Int, _ apiary: TestDaemon) throws {
        let curl = "curl -sN --unix-socket \(apiary.socket) http://localhost/v1/events"
        threads = try (0..<count).map { _ in
            try NamedThread("stream") {
                // It is cut off.
                _ = try? Machine.run("sh", "-c", "\(curl) > /dev/null")
            }
        }
    }

    func join() {
        for thread in threads { thread.join() }
    }
}
