import Foundation
import JSON
import Linux
import TestSupport
import Testing

/// The watched folder: what its files declare is there, soon after they change.
@Suite(.requiresRoot) struct ManifestFolderTests {
    private let object = Repository.object("hooks.bpf.o")

    private func daemon() throws -> (apiary: TestDaemon, folder: String) {
        let apiary = try TestDaemon(isStarted: false)
        let folder = apiary.directory + "/manifests"
        let objects = apiary.directory + "/objects"
        try FileSystem.makeDirectory(folder)
        try FileSystem.makeDirectory(objects)
        try Machine.run("cp", object, objects)
        apiary.arguments = [
            "--set", "manifests_dir=\(folder)", "--set", "manifest_objects_dir=\(objects)",
        ]
        return (apiary, folder)
    }

    private func write(_ text: String, to path: String) throws {
        try FileSystem.replace(path, with: Array(text.utf8).span)
    }

    /// Waits until the file's last look has this state and digest.
    private func waits(_ apiary: TestDaemon, for file: String, _ state: String, _ text: String = "")
        throws -> JSONValue?
    {
        var found: JSONValue?
        let isThere = try Machine.waits(seconds: 60) {
            let list = try apiary.curl("GET /v1/manifests").answers(200)
            found = list["/items"]?.array?.first { $0["file"]?.string == file }
            guard let found, found["state"]?.string == state else { return false }
            // Nothing is not contained in a text.
            return text.isEmpty || found.compact.contains(text)
        }
        #expect(isThere, "\(file) is not \(state): \(found?.compact ?? "not there")\n\(apiary.log)")
        return found
    }

    private func yaml(_ labels: String, probe: String = "calls") -> String {
        """
        prune: true
        programs:
          - {name: hooks, object: {path: hooks.bpf.o}, labels: {v: "\(labels)"}}
        probes:
          - {id: \(probe), program: hooks, function: on_tracepoint}
        """
    }

    @Test(.needs(.tracepoint))
    func `files are applied at the start, as they change and as they go`()
        throws
    {
        let (apiary, folder) = try daemon()
        try write(yaml("1"), to: folder + "/team-a.yaml")
        try write("no manifest", to: folder + "/README")
        try apiary.start()
        let applied = try waits(apiary, for: "team-a.yaml", "applied")
        #expect(applied?["owner"] == "team-a")
        #expect(applied?["counts"]?["create"] == 2)
        try apiary.curl("GET /v1/probes/calls")
            .answers(200, #"{"state":"attached","owner":"team-a"}"#)
        let link = try apiary.link("calls")

        try write(yaml("2"), to: folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "applied", #""replace":1"#)
        try apiary.curl("GET /v1/programs/hooks").answers(200, #"{"labels":{"v":"2"}}"#)
        #expect(try apiary.link("calls") == link)

        // What is wrong changes nothing, and says why; mended, it is applied.
        try write(yaml("3") + "\nunknown: 1\n", to: folder + "/team-a.yaml")
        let failed = try waits(apiary, for: "team-a.yaml", "failed")
        #expect(failed?["problem"]?["code"] == "unknown_member")
        try apiary.curl("GET /v1/programs/hooks").answers(200, #"{"labels":{"v":"2"}}"#)
        try write(yaml("3"), to: folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "applied")
        try apiary.curl("GET /v1/programs/hooks").answers(200, #"{"labels":{"v":"3"}}"#)

        // A restart finds all as it is.
        try apiary.restart()
        _ = try waits(apiary, for: "team-a.yaml", "applied", #""changed":false"#)
        #expect(try apiary.link("calls") == link)
        let audit = try apiary.curl("GET /v1/audit?action=apply_manifest").answers(200)
        #expect(audit["/items/0/actor"]?.string == "file:\(folder)/team-a.yaml")

        // Another file with the same owner, and one that others may write to, are not taken.
        try write(#"{"owner":"team-a"}"#, to: folder + "/other.json")
        let twice = try waits(apiary, for: "other.json", "failed")
        #expect(twice?["problem"]?["code"] == "conflict")
        try write("{}", to: folder + "/open.json")
        try FileSystem.changeMode(folder + "/open.json", 0o666)
        let open = try waits(apiary, for: "open.json", "failed", "chmod")
        #expect(open?["problem"]?["detail"]?.string?.contains("go-w") == true)
        #expect(try apiary.curl("GET /v1/manifests?state=failed").names("file").count == 2)

        // One that went wrong after it was applied still takes with it what it declared.
        try write("prune: [", to: folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "failed")
        try FileSystem.unlink(folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "removed", #""delete":2"#)
        #expect(try apiary.curl("GET /v1/programs").names() == [])
        #expect(try apiary.pins == [])
    }

    @Test(.needs(.tracepoint))
    func `a touched file is applied again, and one that waited for something by itself`() throws {
        let (apiary, folder) = try daemon()
        try write(yaml("1"), to: folder + "/team-a.yaml")
        // Written away from home, as an editor does: its own name comes when it is whole.
        try write("owner: [", to: folder + "/.team-b.yaml")
        try apiary.start()
        _ = try waits(apiary, for: "team-a.yaml", "applied")
        try apiary.curl("DELETE /v1/probes/calls").answers(204)
        try Machine.run("touch", folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "applied", #""create":1"#)
        try apiary.curl("GET /v1/probes/calls").answers(200, #"{"state":"attached"}"#)

        // The object comes after its manifest.
        let objects = FileSystem.parent(of: folder) + "/objects"
        try write(
            "programs: [{name: late, object: {path: late.bpf.o}}]", to: folder + "/team-c.yaml")
        let failed = try waits(apiary, for: "team-c.yaml", "failed")
        #expect(failed?["problem"]?["code"] == "not_found")
        try Machine.run("cp", object, objects + "/late.bpf.o")
        _ = try waits(apiary, for: "team-c.yaml", "applied")

        // Another folder takes the place of the first.
        try Machine.run("mv", folder, folder + ".old")
        try FileSystem.makeDirectory(folder)
        try Machine.run("cp", folder + ".old/team-c.yaml", folder)
        _ = try waits(apiary, for: "team-a.yaml", "removed")
        try write(yaml("2"), to: folder + "/team-a.yaml")
        _ = try waits(apiary, for: "team-a.yaml", "applied", #""create":2"#)
        #expect(try apiary.curl("GET /v1/programs").names() == ["hooks", "late"])
    }

    @Test func `no folder, no files; a folder that is not there keeps the daemon from starting`()
        throws
    {
        let apiary = try TestDaemon()
        try apiary.curl("GET /v1/manifests").answers(200, #"{"items":[],"next_cursor":null}"#)
        try apiary.curl("GET /v1/manifests?state=odd").answers(400, problem: .invalidParameter)
        apiary.stop()
        apiary.arguments = ["--set", "manifests_dir=/nonexistent/manifests.d"]
        #expect(throws: TestDaemonError.self) { try apiary.start() }
        #expect(apiary.log.contains("/nonexistent/manifests.d"))
    }
}
