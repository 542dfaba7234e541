import JSON
import Linux
import TestSupport
import Testing

/// Targets in another mount namespace, as a container has, named by the path that they have there
/// and the `pid` of a process in it.
@Suite(.requiresRoot, .enabled("unshare(1) is missing") { Machine.has("unshare") })
struct ContainerTests {
    /// A process in a mount namespace of its own, where the program that it runs lies at two paths:
    /// one that the host has not, and one where the host has another file.
    private final class Container {
        let process: BackgroundProcess
        let hidden: String
        private let input: String
        private var lines = 0
        static let own = "/mnt/apiary-test/app"

        private init(_ process: BackgroundProcess, input: String, hidden: String) {
            self.process = process
            self.input = input
            self.hidden = hidden
        }

        static func start(_ directory: String) throws -> Container {
            let (input, hidden) = (directory + "/in", directory + "/hidden")
            let other = try FileSystem.read("/bin/true")
            try FileSystem.replace(hidden, with: other.span, mode: 0o755)
            try Machine.run("mkfifo", input)
            let script = """
                mount -t tmpfs none /mnt
                mkdir /mnt/apiary-test
                cp \(Repository.object("usdt_target")) \(own)
                mount --bind \(own) \(hidden)
                exec 9<>\(input)
                echo ready
                exec \(own) <&9
                """
            let process = try Machine.start(
                "unshare", "--mount", "--propagation", "private", "bash", "-ec", script,
                log: directory + "/container.log")
            let container = Container(process, input: input, hidden: hidden)
            let isReady = try Machine.waits { process.text.hasPrefix("ready") }
            #expect(isReady, "\(process.text)")
            try container.pass()
            return container
        }

        /// Has it go through its places once.
        func pass() throws {
            lines += 1
            try Machine.run("bash", "-c", "echo x > \(input)")
            let wanted = lines + 1
            let hasPassed = try Machine.waits {
                process.text.split(separator: "\n").count >= wanted
            }
            #expect(hasPassed, "\(process.text)")
        }
    }

    private func put(_ apiary: TestDaemon, _ id: String, _ function: String, _ members: String)
        throws -> Answer
    {
        let program = function == "on_entry" ? "h" : "u"
        return try apiary.curl(
            "PUT /v1/probes/\(id)",
            json: #"{"program":"\#(program)","function":"\#(function)","attach":{\#(members)}}"#)
    }

    @Test(.needs("usdt")) func `uprobe and usdt find a container's own files by its pid`() throws {
        let apiary = try TestDaemon()
        let container = try Container.start(apiary.directory)
        let processID = container.process.processIdentifier
        try apiary.curl("PUT /v1/programs/h?global=target_pid=\(processID)", file: "hooks.bpf.o")
            .answers(201)
        try apiary.curl("PUT /v1/programs/u", file: "usdt_args.bpf.o").answers(201)
        let pid = #""pid":\#(processID)"#
        let usdt = #""provider":"apiary_test","name":"mark""#
        for path in [Container.own, container.hidden] {
            let file = #""binary":"\#(path)""#
            // Without the process it is the host's file, or none.
            let host = try put(
                apiary, "e", "on_entry", #""kind":"uprobe",\#(file),"symbol":"pass""#
            )
            .answers(422, problem: .targetNotFound)
            let isAbsent = path == Container.own
            #expect(host["/pointer"]?.string == (isAbsent ? "/attach/binary" : "/attach/symbol"))
            try put(apiary, "m", "on_mark", #""kind":"usdt",\#(file),\#(usdt)"#).answers(422)

            let entries = try apiary.calls
            let hits = try apiary.global("u", "hits")?.int ?? 0
            try put(apiary, "e", "on_entry", #""kind":"uprobe",\#(file),\#(pid),"symbol":"pass""#)
                .answers(201, #"{"state":"attached","attach":{\#(file),\#(pid)}}"#)
            try put(apiary, "m", "on_mark", #""kind":"usdt",\#(file),\#(pid),\#(usdt)"#)
                .answers(201, #"{"state":"attached","attach":{\#(file),\#(pid)}}"#)
            try container.pass()
            #expect(try apiary.calls == entries + 1)
            #expect(try apiary.global("u", "hits")?.int == hits + 1)
            #expect(try apiary.global("u", "third")?.int == -7)
            // Adopted by a daemon that finds the same file there.
            try apiary.restart()
            try container.pass()
            for id in ["e", "m"] {
                try apiary.curl("GET /v1/probes/\(id)").answers(200, #"{"state":"attached"}"#)
            }
            #expect(try apiary.global("u", "hits")?.int == hits + 2)
            for id in ["e", "m"] { try apiary.curl("DELETE /v1/probes/\(id)").answers(204) }
            try container.pass()
            #expect(try apiary.global("u", "hits")?.int == hits + 2)
        }
        let near = try put(
            apiary, "e", "on_entry",
            #""kind":"uprobe","binary":"\#(Container.own)p",\#(pid),"symbol":"pass""#
        ).answers(422, #"{"code":"target_not_found","pointer":"/attach/binary"}"#)
        #expect(near["/detail"]?.string?.contains("for that process") == true, "\(near)")
        #expect(near["/hint"]?.string?.contains("app") == true, "\(near)")
    }
}

extension TestDaemon {
    /// How often `on_entry` of hooks.bpf.c, loaded as `h`, has run.
    fileprivate var calls: UInt64 { get throws { try value("h/counts", 3) ?? 0 } }
}
