import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// The examples, as a user runs them: each twice, and the second run changes nothing.
@Suite(.requiresRoot) struct ExampleTests {
    private let object = Repository.object("execsnoop.bpf.o")

    @Test(.needs(.tracepoint)) func `apply.sh brings the host to the state, then changes nothing`()
        throws
    {
        let apiary = try TestDaemon()
        func run(_ arguments: String) throws -> String {
            try Machine.run(
                "sh", "-c",
                "APIARY_SOCKET=\(apiary.socket) \(Repository.root)/examples/apply.sh \(arguments)")
        }
        let plan = try run("--plan \(object)")
        #expect(plan.contains("create\tprogram execsnoop:"))
        #expect(plan.hasSuffix("changed=true dry_run=true\n"))
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try run(object).hasSuffix("changed=true dry_run=false\n"))
        let link = try apiary.link("execsnoop.enter_execve")
        #expect(
            try run(object)
                == "none\tprogram execsnoop: It is as declared.\nchanged=false dry_run=false\n")
        #expect(try apiary.link("execsnoop.enter_execve") == link)
        // Somebody else's: the script ends with 1 and says whose it is.
        try apiary.curl("POST /v1/apply", json: #"{"owner":"examples","prune":true}"#).answers(200)
        let state = try apiary.curl("GET /v1/objects").names("digest").first ?? ""
        try apiary.curl(
            "POST /v1/apply",
            json: """
                {"owner":"b","programs":[{"name":"execsnoop","object":{"digest":"\(state)"}}]}
                """
        ).answers(200)
        let refused = try run("\(object) 2>&1 || echo status=$?")
        #expect(refused.hasPrefix("conflict at /programs/0/name: "))
        #expect(refused.hasSuffix("status=1\n"))
    }

    @Test(.needs(.tracepoint)) func `manifest.yaml is applied as it stands`() throws {
        let apiary = try TestDaemon(
            arguments: ["--set", "manifest_objects_dir=\(FileSystem.parent(of: object))"])
        let type = "Content-Type: application/yaml"
        let file = "@" + Repository.root + "/examples/manifest.yaml"
        try apiary.curl("POST /v1/apply", type, json: file).answers(200, #"{"changed":true}"#)
        try apiary.curl("POST /v1/apply", type, json: file).answers(200, #"{"changed":false}"#)
        // Nothing outside of the folder can be named.
        for path in ["../../Makefile", "/etc/hostname", "tests/../../../Makefile", "nosuch.o", ""] {
            let answer = try apiary.curl(
                "POST /v1/apply",
                json: """
                    {"owner":"x","programs":[{"name":"p","object":{"path":"\(path)"}}]}
                    """)
            #expect([400, 404].contains(answer.status), "\(answer)")
            #expect(answer["/pointer"] == "/programs/0/object/path", "\(answer)")
        }
        try apiary.curl(
            "POST /v1/apply",
            json:
                #"{"owner":"x","programs":[{"name":"p","object":{"path":"tests/counter.bpf.o"}}]}"#
        ).answers(200)
    }

    @Test(
        .needs(.tracepoint),
        .enabled("ansible-playbook is not installed: scripts/setup.sh test") {
            FileManager.default.isExecutableFile(atPath: "/usr/bin/ansible-playbook")
        }
    )
    func `the playbook's second run changes nothing`() throws {
        let apiary = try TestDaemon()
        func play(_ more: String = "") throws -> String {
            try Machine.run(
                "sh", "-c",
                """
                HOME=\(apiary.directory) ANSIBLE_NOCOLOR=1 ANSIBLE_LOCALHOST_WARNING=false \
                /usr/bin/ansible-playbook \(more) \(Repository.root)/examples/playbook.yml \
                -e object=\(object) -e apiary_socket=\(apiary.socket) 2>&1
                """)
        }
        let plan = try play("--check")
        #expect(plan.contains("create program execsnoop: There is no program execsnoop."))
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        let first = try play()
        #expect(first.contains(" changed=1 "), "\(first)")
        try apiary.curl("GET /v1/programs/execsnoop").answers(200, #"{"owner":"ansible"}"#)
        let link = try apiary.link("execsnoop.enter_execve")
        let second = try play()
        #expect(second.contains(" changed=0 ") && second.contains(" failed=0 "), "\(second)")
        #expect(try apiary.link("execsnoop.enter_execve") == link)
    }
}
