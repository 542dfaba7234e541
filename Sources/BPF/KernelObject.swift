internal import CLibbpf
internal import Linux

/// What a descriptor of the bpf system call can be of.
public enum KernelObjectKind: String, Sendable, Hashable, CaseIterable {
    case program, map, link, btf

    /// The line of /proc/PID/fdinfo/N that has the id.
    fileprivate var key: String {
        switch self {
        case .program: "prog_id"
        case .map: "map_id"
        case .link: "link_id"
        case .btf: "btf_id"
        }
    }

    /// The kind of a link in /proc/PID/fd: `anon_inode:bpf-prog`.
    fileprivate init?(link text: String) {
        switch text {
        case "anon_inode:bpf-prog": self = .program
        case "anon_inode:bpf-map": self = .map
        case "anon_inode:bpf_link", "anon_inode:bpf-link": self = .link
        case "anon_inode:btf": self = .btf
        default: return nil
        }
    }
}

/// A program, map, link or BTF object of the kernel's by its number.
public struct KernelObjectID: Sendable, Hashable {
    public let kind: KernelObjectKind
    public let id: UInt32

    public init(_ kind: KernelObjectKind, _ id: UInt32) {
        self.kind = kind
        self.id = id
    }
}

/// A process that has a descriptor of an object.
public struct Holder: Sendable, Hashable {
    public let processID: Int32
    /// Of its first thread, at most 15 bytes.
    public let command: String
}

/// Who holds what, by all of /proc.
public enum Holders {
    /// Descriptors that are looked at, of all processes together.
    private static let mostDescriptors = 400_000

    /// Each process once for each object, in the order of their ids. Processes that end meanwhile,
    /// and those that we may not look into, are left out.
    /// - Note: 1 to 3 us a descriptor; needs CAP_SYS_PTRACE for other users' processes.
    public static func find() -> [KernelObjectID: [Holder]] {
        var holders: [KernelObjectID: [Holder]] = [:]
        var left = mostDescriptors
        for process in numbers(in: "/proc") {
            var found: Set<KernelObjectID> = []
            let directory = "/proc/\(process)"
            for descriptor in numbers(in: directory + "/fd") {
                left -= 1
                if left < 0 { return holders }
                if let object = object(directory, descriptor) { found.insert(object) }
            }
            guard !found.isEmpty else { continue }
            let holder = Holder(
                processID: process, command: FileSystem.text(directory + "/comm") ?? "")
            for object in found { holders[object, default: []].append(holder) }
        }
        return holders
    }

    /// - Parameter directory: `/proc/PID`.
    static func object(_ directory: String, _ descriptor: Int32) -> KernelObjectID? {
        let target: String
        // A descriptor that was closed meanwhile is of nobody.
        do { target = try FileSystem.resolve("\(directory)/fd/\(descriptor)") } catch { return nil }
        guard let kind = KernelObjectKind(link: target),
            let text = FileSystem.text("\(directory)/fdinfo/\(descriptor)")
        else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(kind.key + ":") {
            let number = line.dropFirst(kind.key.utf8.count + 1).filter { $0.isNumber }
            return UInt32(number).map { KernelObjectID(kind, $0) }
        }
        return nil
    }

    private static func numbers(in directory: String) -> [Int32] {
        // A process that ended, or that is not ours to look into, has none.
        do { return try FileSystem.list(directory).compactMap { Int32($0) }.sorted() } catch {
            return []
        }
    }
}

/// What is pinned where, in every bpffs that this process sees.
public enum Pins {
    /// Files that are opened, of all mounts together.
    private static let mostFiles = 50_000

    /// Paths of each object, sorted.
    /// - Note: some 5 us a file.
    public static func find() -> [KernelObjectID: [String]] {
        var pins: [KernelObjectID: [String]] = [:]
        var left = mostFiles
        for mount in mounts() { walk(mount, depth: 0, &left, &pins) }
        for key in pins.keys { pins[key]?.sort() }
        return pins
    }

    private static func walk(
        _ directory: String, depth: Int, _ left: inout Int,
        _ pins: inout [KernelObjectID: [String]]
    ) {
        guard depth < 64 else { return }
        let names: [String]
        // A directory that went away meanwhile holds nothing.
        do { names = try FileSystem.list(directory) } catch { return }
        for name in names.sorted() {
            let path = directory + "/" + name
            switch FileSystem.kind(path) {
            case .directory: walk(path, depth: depth + 1, &left, &pins)
            case .file:
                left -= 1
                if left < 0 { return }
                if let object = object(pinned: path) { pins[object, default: []].append(path) }
            default: break
            }
        }
    }

    private static func object(pinned path: String) -> KernelObjectID? {
        let raw = unsafe bpf_obj_get(path)
        // `maps.debug` and `progs.debug` are files of the kernel's own, and no pins.
        guard raw >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: raw)
        return Holders.object("/proc/self", descriptor.raw)
    }

    /// Each mount once, though it may be bound to several places.
    private static func mounts() -> [String] {
        var seen: Set<String> = []
        var mounts: [String] = []
        for line in (FileSystem.text("/proc/self/mountinfo") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count, dash > 4,
                fields[dash + 1] == "bpf"
            else { continue }
            // Device and root tell the same tree; octal escapes stand for spaces.
            if seen.insert(String(fields[2] + fields[3])).inserted {
                mounts.append(String(fields[4]).replacing("\\040", with: " "))
            }
        }
        return mounts
    }
}
