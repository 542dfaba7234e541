/// Names of the signals that end a process.
enum Signal {
    /// `SIGSEGV`; for a number without a name here, `signal 37`.
    static func name(_ number: Int32) -> String {
        names[number] ?? "signal \(number)"
    }

    /// signal(7), the numbers of x86, ARM and most others.
    private static let names: [Int32: String] = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT",
        7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM",
        15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
    ]
}
