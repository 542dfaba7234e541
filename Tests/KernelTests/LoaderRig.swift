import CLibbpf
import Glibc
import Linux
import Loading

/// Where the build put what the loader's tests need; `APIARY_BUILD` names another build directory,
/// `APIARY_OBJECTS` another directory of test objects.
enum LoaderRig {
    static let loader = Loader(executable: executable)

    private static let executable: String = {
        if let directory = environment("APIARY_BUILD") { return directory + "/apiary-loader" }
        // The test binary lies beside the executables of its build.
        let binary = String(CommandLine.arguments[0])
        let beside = FileSystem.parent(of: binary) + "/apiary-loader"
        return FileSystem.exists(beside) ? beside : root + "/.build/debug/apiary-loader"
    }()

    private static let root: String = {
        var path = #filePath
        for _ in 0..<3 { path = FileSystem.parent(of: path) }
        return path
    }()

    /// The bytes of `Objects/<name>.bpf.c`, compiled by scripts/build-bpf.sh.
    static func bytes(_ name: String) throws -> [UInt8] {
        let directory = environment("APIARY_OBJECTS") ?? root + "/.build/bpf/tests"
        return try FileSystem.read("\(directory)/\(name).bpf.o")
    }

    static func object(_ name: String) throws -> MemoryFile {
        let bytes = try bytes(name)
        return try MemoryFile(name, holding: bytes.span)
    }

    /// The bytes of a bundled object.
    static func bundled(_ name: String) throws -> MemoryFile {
        let directory = environment("APIARY_OBJECTS").map { $0 + "/.." } ?? root + "/.build/bpf"
        let bytes = try FileSystem.read("\(directory)/\(name).bpf.o")
        return try MemoryFile(name, holding: bytes.span)
    }

    static func kernelIsAtLeast(_ major: Int, _ minor: Int) -> Bool {
        let release = FileSystem.text("/proc/sys/kernel/osrelease") ?? ""
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (major, minor)
    }

    private static func environment(_ name: String) -> String? {
        guard let text = unsafe getenv(name) else { return nil }
        return unsafe String(cString: text)
    }
}

/// A bpffs of one test's own, unmounted and removed with this value.
final class PrivateBPFFS {
    let path: String
    /// The directory that a load gets.
    let pins: String

    init() throws {
        let path = "/tmp/loader-bpffs-\(UInt64.random(in: 0...(.max)))"
        try Self.mount(path)
        self.path = path
        pins = path + "/load"
        try FileSystem.makeDirectory(path + "/load")
    }

    private static func mount(_ path: String) throws {
        try FileSystem.makeDirectory(path)
        do {
            try FileSystem.mount("bpf", at: path)
        } catch {
            try FileSystem.removeDirectory(path)
            throw error
        }
    }

    deinit {
        _ = unsafe umount2(path, Int32(MNT_DETACH))
        // What is left in /tmp then is seen by the next reader of /tmp.
        try? FileSystem.removeDirectory(path)
    }

    func names() throws -> [String] { try FileSystem.list(pins) }

    /// Removes every pin of a load.
    func clear() throws {
        for name in try names() { try FileSystem.unlink(pins + "/" + name) }
    }

    func request(_ change: (inout LoadRequest) -> Void = { _ in }) -> LoadRequest {
        var request = LoadRequest()
        request.pinDirectory = pins
        change(&request)
        return request
    }
}

/// A pinned map or program, opened again by another process than the one that made it.
final class Reopened {
    private let raw: Int32

    init(_ path: String) throws { raw = try check(unsafe bpf_obj_get(path)) }

    deinit { close(raw) }

    func mapInformation() throws -> bpf_map_info {
        var information = bpf_map_info()
        var length = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(unsafe bpf_map_get_info_by_fd(raw, &information, &length))
        return information
    }

    func programInformation() throws -> bpf_prog_info {
        var information = bpf_prog_info()
        var length = UInt32(MemoryLayout<bpf_prog_info>.size)
        try check(unsafe bpf_prog_get_info_by_fd(raw, &information, &length))
        return information
    }

    /// The value at key 0: of a section of variables, all of them.
    func value() throws -> [UInt8] {
        var key: UInt32 = 0
        var value = [UInt8](repeating: 0, count: Int(try mapInformation().value_size))
        try check(unsafe bpf_map_lookup_elem(raw, &key, &value))
        return value
    }
}

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
