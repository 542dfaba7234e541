import Linux
import TestSupport
import Testing

/// What the loader has left of the daemon's powers while it handles a stranger's bytes.
@Suite(.requiresRoot) struct LoaderConfinementTests {
    @Test func `it runs under a filter, without new privileges, with nothing inherited`() throws {
        let apiary = try TestDaemon()
        let loads = try Machine.start(
            "curl", "-s", "-o", "/dev/null", "--unix-socket", apiary.socket, "-T",
            Repository.object("giant.bpf.o"),
            "http://localhost/v1/programs/giant?dry_run=true#[1-500]",
            log: apiary.directory + "/loads")
        defer { loads.stop() }
        let (status, descriptors) = try eventually(seconds: 60) {
            try Self.confined(apiary)
        }
        #expect(status.contains("NoNewPrivs:\t1"), "\(status)")
        // Its own ends of what it talks over, the object and the request; nothing of the daemon's.
        let own = Set(try Self.targets(of: apiary.processIdentifier ?? 0))
        let foreign = descriptors.filter { target in
            target.contains("registry.sqlite") || target.contains("eventpoll")
                || (target.hasPrefix("socket:") && own.contains(target))
        }
        #expect(foreign == [], "\(descriptors)")
    }

    /// Of a loader that has confined itself already: its status, and what its descriptors are.
    private static func confined(_ apiary: TestDaemon) throws -> (String, [String])? {
        for child in try apiary.children {
            guard let status = FileSystem.text("/proc/\(child)/status"),
                status.contains("Seccomp:\t2")
            else { continue }
            let targets = try targets(of: child)
            // It may have ended in between.
            if !targets.isEmpty { return (status, targets) }
        }
        return nil
    }

    private static func targets(of process: Int32) throws -> [String] {
        let listing = try Machine.run(
            "sh", "-c", "readlink /proc/\(process)/fd/* 2>/dev/null || true")
        return listing.split(separator: "\n").map(String.init)
    }
}
