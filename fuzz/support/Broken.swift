import Glibc

/// A promise that an input has broken: says which, since a build with -O leaves the message of a
/// precondition out, and stops, so that libFuzzer keeps the input.
func broken(_ promise: String) -> Never {
    let line = Array("broken: \(promise)\n".utf8)
    unsafe _ = write(2, line, line.count)
    preconditionFailure()
}

func promise(_ isKept: Bool, _ what: @autoclosure () -> String) {
    if !isKept { broken(what()) }
}
