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
            "snapshot_interval_s", .integer(0...86_400), "60",
            "How often contents of maps with `persist` are written to the disk; 0: at the stop."),
        Setting(
            "detach_on_stop", .flag, "false",
            "Take everything out of the kernel at the stop; the next start brings it back."),

        // Declared state.
        Setting(
            "manifest_objects_dir", .path, "",
            "Where manifests may take objects from by path; empty: nowhere."),
        Setting(
            "manifests_dir", .path, "",
            "Manifests that are applied as their files change; empty: none."),

        // Who may.
        Setting(
            "listen", .list, "",
            "HOST:PORT to listen on beside the socket. Loopback only, with `unprotected`."),
        Setting(
            "unprotected", .flag, "false",
            "Whoever reaches a loopback port may do everything; for benchmarks."),
    ]

    static func named(_ key: String) -> Setting? { all.first { $0.key == key } }
}
