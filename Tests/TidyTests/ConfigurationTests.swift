import Linux
import TestSupport
import Testing

@testable import apiary

struct ConfigurationTests {
    private func configuration(
        _ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil
    ) throws -> Configuration {
        var arguments = arguments
        let path = "/tmp/apiary-configuration-\(UInt64.random(in: .min ... .max)).yaml"
        if let file {
            try FileSystem.replace(path, with: Array(file.utf8).span)
            arguments += ["--config", path]
        }
        defer { if file != nil { try? FileSystem.unlink(path) } }  // else it lies in /tmp
        return try Configuration(try ServeOptions.parse(arguments), environment: environment)
    }

    private func refusal(
        _ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil
    ) -> String {
        do {
            _ = try configuration(arguments, environment, file: file)
            return "accepted"
        } catch { return "\(error)" }
    }

    @Test func `docs/configuration.md has the table of the settings: else run make generate`()
        throws
    {
        let text = try Repository.text("docs/configuration.md")
        #expect(text.contains("<!-- settings -->\n" + Settings.markdown + "\n<!-- end -->"))
    }

    @Test func `each setting stands once in the table, with a default of its own kind`() throws {
        let keys = Settings.all.map(\.key)
        #expect(keys.count == Set(keys).count)
        let plain = try configuration()
        for setting in Settings.all {
            #expect(plain.source(setting.key) == .fallback)
            #expect(setting.sentence.hasSuffix("."), "\(setting.key)")
            #expect(!setting.sentence.contains("|") && !setting.fallback.contains("|"))
        }
    }

    @Test func `the command line wins over the environment over the file`() throws {
        let file = "state_dir: /file\nruntime_dir: /file\nbpffs: /file\nlog_level: debug\n"
        let environment = [
            "APIARY_STATE_DIR": "/environment", "APIARY_RUNTIME_DIR": "/environment",
        ]
        let all = try configuration(["--state-dir", "/line"], environment, file: file)
        #expect(all.text("state_dir") == "/line")
        #expect(all.text("runtime_dir") == "/environment")
        #expect(all.text("bpffs") == "/file")
        #expect(all.text("socket") == "/environment/apiary.sock")
        #expect(all.logLevel == .debug)
        #expect(try configuration(["--set", "log_level=trace"]).logLevel == .trace)
    }

    @Test func `what check-config prints is a file that gives the same again`() throws {
        let written = try configuration(
            ["--listen", "127.0.0.1:1", "--listen", "[::1]:2", "--unprotected"],
            ["APIARY_STATE_DIR": "/a b", "APIARY_LOG_LEVEL": "error"])
        let again = try configuration(file: written.description)
        for setting in Settings.all { #expect(again.source(setting.key) == .file) }
        #expect(again.list("listen") == ["127.0.0.1:1", "[::1]:2"])
        #expect(again.text("state_dir") == "/a b")
        let notes = "  # "
        func bare(_ text: String) -> [String] {
            text.split(separator: "\n").map { line in
                String(line.firstRange(of: notes).map { line[..<$0.lowerBound] } ?? line)
            }
        }
        #expect(bare(again.description) == bare(written.description))
        let example = Settings.example.split(separator: "\n").filter { !$0.hasPrefix("# ") }
            .map { $0.dropFirst() }.joined(separator: "\n")
            .replacing("{runtime_dir}", with: "/run").replacing("{executable_dir}", with: "/bin")
        #expect(throws: Never.self) { try configuration(file: example) }
    }

    @Test func `what is wrong is refused, with its place`() {
        #expect(refusal(file: "socktet: /x").contains("\"socktet\" is not a setting, did you mean"))
        #expect(refusal(file: "- a\n- b").contains("is not a YAML mapping"))
        #expect(refusal(file: "a: [").contains("is not YAML"))
        #expect(refusal(file: "socket: relative").contains("is not an absolute path"))
        #expect(refusal(file: "socket: [/a]").contains("socket is not path"))
        #expect(refusal(file: "socket: /a\nsocket: /b").contains("is not YAML"))
        let level = refusal([], ["APIARY_LOG_LEVEL": "loud"])
        #expect(level.hasPrefix("APIARY_LOG_LEVEL: \"loud\" is not one of trace"))
        #expect(refusal(["--config", "/nonexistent"]).contains("cannot be read"))
        #expect(refusal(["--set", "colour=red"]).contains("\"colour\" is not a setting"))
        #expect(refusal(["--set", "log_level"]).contains("not of the form key=value"))
        let socket = "/" + String(repeating: "x", count: 107)
        #expect(refusal(["--socket", socket]).contains("longer than 107 bytes"))
    }

    @Test(arguments: [
        ("signing_keys: {r: /nonexistent}", "signing_keys: r: /nonexistent cannot be read"),
        ("signing_keys: {r: text}", "r is no Ed25519 public key"),
        ("allowed_objects: [abc]", "is not sha256:"),
        ("require_signed: true", "needs signing_keys"),
        ("users: {nobody-is-called-so: read}", "there is no user"),
        ("groups: {nobody-is-called-so: read}", "there is no group"),
        ("socket_group: nobody-is-called-so", "there is no group"),
        ("cors_origins: ['*']", "is not of the form https://host"),
        (
            "hosts: ['https://node7.example']",
            "hosts: https://node7.example is not of the form name"
        ),
        ("hosts: ['a b']", "is not of the form name"), ("hosts: ['']", "is not of the form name"),
        ("token_file: /nonexistent", "cannot be read"), ("tls_cert: /x", "TLS needs both"),
        ("listen: ['127.0.0.1']", "is not of the form HOST:PORT"),
        ("manifests_dir: /nonexistent", "is not a directory"),
    ])
    func `check-config refuses what the daemon does not start with`(line: String, reason: String)
        throws
    {
        let said = refusal(file: line)
        guard said == "accepted" else {
            #expect(said.contains(reason))
            return
        }
        let error = #expect(throws: CommandRefusal.self) { try configuration(file: line).check() }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func `check-config takes hosts as clients say them`() throws {
        let hosts = "hosts: [node7.example, 'other.example:8443', '[::1]:8080', 10.0.0.7]"
        try configuration(file: hosts).check()
        try configuration().check()
    }

    @Test func `lists and maps are the same in the file and in one line`() throws {
        let map = Setting("m", .map(values: ["read", "admin"]), "", "A map.")
        let entries = [
            SettingEntry(name: "CN=a", value: "read"), SettingEntry(name: "b", value: "admin"),
        ]
        #expect(try map.value(.scalar("CN=a=read, b=admin"), at: "m") == .map(entries))
        #expect(try map.value(.mapping(entries), at: "m") == .map(entries))
        #expect(throws: (any Error).self) { try map.value(.scalar("a=write"), at: "m") }
        #expect(throws: (any Error).self) { try map.value(.sequence(["a"]), at: "m") }
        let number = Setting("n", .integer(1...9), "5", "A number.")
        #expect(try number.value(.scalar("9"), at: "n") == .integer(9))
        for text in ["0", "10", "", "1.0", "x"] {
            #expect(throws: (any Error).self) { try number.value(.scalar(text), at: "n") }
        }
    }

    @Test func `a variable that is no setting is named`() throws {
        let found = try configuration([], ["APIARY_SOKET": "/x", "HOME": "/"]).unknownVariables
        #expect(found == ["APIARY_SOKET"])
    }

    @Test(arguments: [
        ("apiary token create x --role ", "metrics read operate admin"),
        ("apiary serve --log-level d", "debug"),
        ("apiary serve --config /etc/host", "/etc/hostname"),
        ("apiary token c", "create"), ("apiary audit v", "verify"),
    ])
    func `bash completes commands, values and files`(line: String, offered: String) throws {
        let driver = """
            \(Apiary.completionScript(for: .bash))
            COMP_LINE=$1; COMP_POINT=${#1}
            read -ra COMP_WORDS <<<"$1"; [ "${1: -1}" = " " ] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            command=$(builtin complete -p apiary); command=${command##*-F }
            ${command%% *} apiary "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[@]}"
            """
        let exit = try Child.run(
            "/bin/bash", arguments: ["-c", driver, "bash", line],
            environment: ["PATH=/usr/bin:/bin"],
            deadlineMilliseconds: 20_000, outputLimit: 65536)
        let words = String(decoding: exit.output, as: UTF8.self).split { " \n".contains($0) }
        #expect(
            offered.split(separator: " ").allSatisfy { words.contains($0) },
            "\(words) \(String(decoding: exit.errors, as: UTF8.self))")
    }
}
