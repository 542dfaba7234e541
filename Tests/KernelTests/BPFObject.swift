import BPF
import Glibc
import Linux
import Synchronization
import Testing

/// A `.bpf.c` of Objects/, compiled, loaded by bpftool and pinned in a bpffs of its own, which goes
/// with this object.
final class BPFObject {
    struct Failure: Error { let text: String }

    private static let serial = Atomic<Int>(0)
    private let name: String
    private let directory: String
    private var isMounted = false

    init(_ name: String) throws {
        self.name = name
        let number = Self.serial.add(1, ordering: .relaxed).newValue
        directory = "/tmp/apiary-kerneltests-\(getpid())-\(number)"
        try FileSystem.makeDirectory(directory)
        try Self.mountTracefs()
        let source = FileSystem.parent(of: #filePath) + "/Objects/\(name).bpf.c"
        let object = directory + "/\(name).bpf.o"
        try Self.run([
            "clang", "-O2", "-g", "-target", "bpf", "-mcpu=v2", "-I/usr/include/x86_64-linux-gnu",
            "-I/usr/include/aarch64-linux-gnu", "-c", source, "-o", object,
        ])
        try FileSystem.makeDirectory(directory + "/bpf")
        try FileSystem.mount("bpf", at: directory + "/bpf")
        isMounted = true
        try Self.run([
            "bpftool", "prog", "loadall", object, directory + "/bpf/programs", "pinmaps",
            directory + "/bpf/maps",
        ])
    }

    deinit {
        if isMounted { unsafe _ = umount2(directory + "/bpf", Int32(MNT_DETACH)) }
        do { try FileSystem.removeTree(directory) } catch {
            Issue.record("\(directory) is left behind: \(error)")
        }
    }

    func program(_ name: String) throws -> Program {
        try Program(pinned: "\(directory)/bpf/programs/\(name)")
    }

    func map(_ name: String) throws -> Map { try Map(pinned: path(ofMap: name)) }

    func path(ofMap name: String) -> String { "\(directory)/bpf/maps/\(name)" }

    func path(ofProgram name: String) -> String { "\(directory)/bpf/programs/\(name)" }

    /// A path for a new pin.
    func pin(_ name: String) -> String { "\(directory)/bpf/\(name)" }

    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let path = "/opt/swift/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        let exit = try Child.run(
            "/usr/bin/env", arguments: command, environment: ["PATH=" + path],
            deadlineMilliseconds: 60_000, outputLimit: 16 << 20)
        guard exit.reason == .exited(0) else {
            throw Failure(
                text: "\(command): \(exit.reason): "
                    + String(decoding: exit.errors, as: UTF8.self))
        }
        return String(decoding: exit.output, as: UTF8.self)
    }

    private static func mountTracefs() throws {
        guard !FileSystem.exists("/sys/kernel/tracing/events") else { return }
        print("mounting tracefs at /sys/kernel/tracing")
        do {
            try FileSystem.mount("tracefs", at: "/sys/kernel/tracing")
        } catch {
            // Another test was quicker.
            guard error == .ebusy else { throw error }
        }
    }
}

/// The bytes of an integer as the kernel has them.
func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    let size = MemoryLayout<T>.size
    return (0..<size).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) }
}

func integer(_ bytes: some Collection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

/// The calling thread's id, as BPF programs see it: gettid(2) is not imported.
func currentThread() throws -> UInt32 {
    var target = [CChar](repeating: 0, count: 64)
    _ = unsafe readlink("/proc/thread-self", &target, target.count - 1)
    // "1234/task/1240"
    let text = String(
        decoding: target.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let last = text.split(separator: "/").last, let id = UInt32(last) else {
        throw BPFObject.Failure(text: "/proc/thread-self is \(text)")
    }
    return id
}
