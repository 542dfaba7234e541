/// Why a command is not carried out, or the daemon not started, for the person who gave it. The
/// exit status is 1. What is wrong with the command line itself is a `ValidationError` instead:
/// its message has the usage, and the status is 64.
struct CommandRefusal: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
