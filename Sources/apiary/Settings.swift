internal import Logging

/// All settings. A row here is a key of the file, a variable of the environment, a line of
/// `apiary check-config` and a row of `docs/configuration.md` (`make generate`); nothing more is
/// needed to add one. Read it with `configuration.text("…")`, `.integer`, `.flag`, `.list`, `.map`.
enum Settings {
    static let all: [Setting] = [
        // Where things are.
        Setting(
            "runtime_dir", .path, "/run/apiary",
            "The lock, and by default the socket and the journal. Made where it is missing."),
        Setting(
            "state_dir", .path, "/var/lib/apiary",
            "The registry and the kept objects; must survive a reboot."),
        Setting(
            "bpffs", .path, "/sys/fs/bpf/apiary",
            "The directory of the pins, in a bpffs; mounted where there is none."),
        Setting(
            "socket", .path, "{runtime_dir}/apiary.sock",
            "The Unix socket; its name may have 107 bytes."),
        Setting(
            "journal_dir", .path, "{runtime_dir}/journal",
            "The journal of the events; on a disk if events are to outlive a reboot."),
        Setting(
            "loader", .path, "{executable_dir}/apiary-loader", "The program that loads objects."),
        Setting(
            "log_level", .choice(Logger.Level.allCases.map(\.rawValue)), "info",
            "The least important lines that are logged."),
        Setting(
            "run_stats", .flag, "false",
            "The kernel counts runs and run time of every BPF program; some 20 ns a run."),

        // Events: what is kept of them, and how they are taken.
        Setting(
            "journal_stream_bytes", .integer(65_536...1 << 40), "67108864",
            "What one stream may keep; a load may say otherwise for its rings."),
        Setting(
            "journal_bytes", .integer(65_536...1 << 42), "268435456",
            "What all streams may keep; the largest gives way first."),
        Setting(
            "journal_age_s", .integer(1...366 * 86_400), "3600",
            "How long records are kept, counted from their segment's last."),
        Setting(
            "batch_records", .integer(1...1 << 20), "4096",
            "A full batch: so many records of one ring before another has its turn."),
        Setting(
            "batch_deadline_us", .integer(0...1_000_000), "500",
            "Within a burst records gather for so long; 0 takes each as it comes."),
        Setting(
            "slow_consumer_s", .integer(1...86_400), "30",
            "A reader whose connection takes nothing for so long is ended, and after as long again "
                + "closed."),

        Setting(
            "snapshot_interval_s", .integer(0...86_400), "60",
            "How often contents of maps with `persist` are written to the disk; 0: at the stop."),
        Setting(
            "detach_on_stop", .flag, "false",
            "Take everything out of the kernel at the stop; the next start brings it back."),

        Setting(
            "log_format", .choice(LogFormat.allCases.map(\.rawValue)), "logfmt",
            "How a line of the log is written."),

        // How much one client, and all together, may take.
        Setting(
            "max_connections", .integer(16...100_000), "6000",
            "Open connections of each listener; lowered to its share of the descriptors."),
        Setting(
            "max_connections_per_address", .integer(0...100_000), "0",
            "Open TCP connections of one address; 0: no limit."),
        Setting(
            "head_timeout_s", .integer(1...3600), "10",
            "Until the last header of a request is there, whatever trickles in."),
        Setting(
            "body_timeout_s", .integer(1...86_400), "60",
            "From there to the last byte of the body."),
        Setting(
            "body_min_bytes_per_s", .integer(0...1_000_000_000), "1024",
            "What an upload must reach on average, after its first 5 seconds."),
        Setting(
            "idle_timeout_s", .integer(1...86_400), "30",
            "Between two requests, and for an answer of which the client takes no byte."),
        Setting(
            "workers", .integer(1...64), "4", "Threads for requests that may block."),
        Setting(
            "loader_deadline_ms", .integer(100...3_600_000), "60000",
            "For one object, from the loader's start to its end."),
        Setting(
            "loader_cpu_s", .integer(1...3600), "30",
            "CPU time for one object, the kernel's verifier included."),
        Setting(
            "loader_memory_bytes", .integer(134_217_728...1_099_511_627_776), "2147483648",
            "Address space of the loader."),

        // Declared state.
        Setting(
            "manifest_objects_dir", .path, "",
            "Where manifests may take objects from by path; empty: nowhere."),
        Setting(
            "manifests_dir", .path, "",
            "Manifests that are applied as their files change; empty: none."),

        // Who may.
        Setting(
            "users", .map(values: roles), "",
            "Roles of users on the Unix socket, by name or number. Root is always admin."),
        Setting(
            "groups", .map(values: roles), "",
            "Roles of groups on the Unix socket; the best role of a user counts."),
        Setting(
            "socket_mode", .choice(["600", "660", "666"]), "660",
            "The mode of the Unix socket: who may connect at all."),
        Setting(
            "socket_group", .text, "", "The group that the Unix socket belongs to; else root's."),
        Setting(
            "listen", .list, "",
            "`HOST:PORT` to listen on beside the socket; `https://HOST:PORT` with TLS. Beyond "
                + "loopback always with TLS."),
        Setting(
            "unprotected", .flag, "false",
            "Whoever reaches a loopback port may do everything; for benchmarks."),
        Setting(
            "token_file", .path, "",
            "A file of tokens, one a line, `NAME ROLE TOKEN`; TOKEN is the text or `sha256:` and "
                + "its digest. Only its owner may read it."),
        Setting(
            "tls_cert", .path, "",
            "The server's certificate in PEM, then those up to its authority."),
        Setting(
            "tls_key", .path, "",
            "The key of `tls_cert` in PEM, without a password. SIGHUP reads both again."),
        Setting(
            "client_ca", .path, "",
            "Authorities in PEM whose client certificates are accepted; without it none is asked "
                + "for."),
        Setting(
            "certificates", .map(values: roles), "",
            "Roles by a name in a client's certificate: a DNS, mail or URI name, or the CN."),
        Setting(
            "hosts", .list, "",
            "What `Host` may say on TCP beside localhost and the addresses of `listen`: `name` or "
                + "`name:port`."),
        Setting(
            "cors_origins", .list, "",
            "Sites whose pages may use this daemon, `https://dashboard.example`."),

        // What may be loaded.
        Setting(
            "allowed_objects", .list, "",
            "Digests, `sha256:…`, of the only objects that may be loaded; empty: every one."),
        Setting(
            "signing_keys", .map(values: nil), "",
            "Ed25519 keys by name that may sign objects: a path of a PEM, or base64."),
        Setting(
            "require_signed", .flag, "false",
            "Load only objects that come with a signature by one of `signing_keys`."),

        // Bounds.
        Setting(
            "max_objects", .integer(1...1_000_000), "1000", "Object files that are kept."),
        Setting("max_programs", .integer(1...1_000_000), "1000", "Programs."),
        Setting("max_probes", .integer(1...1_000_000), "10000", "Probes."),
        Setting("max_maps", .integer(1...1_000_000), "10000", "Maps of all programs."),
        Setting(
            "max_map_memory_bytes", .integer(0...1 << 50), "4294967296",
            "Memory of all maps, reckoned by their sizes before the kernel is asked."),
        Setting("loads_at_once", .integer(1...64), "2", "Loads at the same time; more wait."),
        Setting(
            "loads_per_minute", .integer(1...1_000_000), "6000",
            "Loads in a minute, rehearsals too; beyond: 429."),
        Setting(
            "entries_per_dump", .integer(1...1 << 40), "1099511627776",
            "Entries, by its max_entries, of a map that is dumped in one answer."),
        Setting(
            "streams_per_credential", .integer(1...100_000), "1024",
            "Streams that one credential may have open. Local admins have no such limit."),
        Setting(
            "audit_rows", .integer(64...100_000_000), "100000",
            "Rows of the audit log that are kept at least."),
    ]

    static let roles = ["metrics", "read", "operate", "admin"]

    static func named(_ key: String) -> Setting? { all.first { $0.key == key } }
}
