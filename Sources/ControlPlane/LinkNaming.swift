internal import BPF
internal import BTF
internal import Linux

/// Names for the numbers of links' targets, each kind looked up when the first link wants it.
struct LinkNaming {
    private var interfaces: [UInt32: String]?
    private var namespaces: [UInt32: String]?
    private var cgroups: [UInt64: String]?
    private var types: [UInt32: BTFTypes?] = [:]

    /// Directories of the cgroup file system that are looked at.
    private static let mostCgroups = 50_000

    mutating func names(of target: LinkDetails) -> LinkNames {
        var names = LinkNames()
        names.attachType = target.attachType.map(AttachType.name)
        if let index = target.interfaceIndex, index != 0 { names.interface = interface(index) }
        if let inode = target.namespaceInode, inode != 0 { names.namespace = namespace(inode) }
        if let id = target.cgroupID { names.cgroup = cgroup(id) }
        if let object = target.targetObject, let type = target.targetType {
            names.symbol = symbol(object, type)
        }
        if !target.addresses.isEmpty {
            let found = KernelAddresses.names(at: Set(target.addresses))
            names.symbols = target.addresses.map {
                found[$0] ?? "0x" + String($0, radix: 16)
            }
        }
        return names
    }

    /// Of this process's network namespace: a link does not say in which its interface is.
    private mutating func interface(_ index: UInt32) -> String? {
        if interfaces == nil {
            interfaces = [:]
            for name in NetworkInterface.names() {
                if let number = NetworkInterface.index(of: name) { interfaces?[number] = name }
            }
        }
        return interfaces?[index]
    }

    private mutating func namespace(_ inode: UInt32) -> String? {
        if namespaces == nil {
            namespaces = [:]
            // Without `ip netns` there are no names.
            let named = (try? FileSystem.list(NetworkNamespace.directory)) ?? []
            let paths = named.map { NetworkNamespace.directory + "/" + $0 } + ["/proc/self/ns/net"]
            for path in paths {
                guard let number = Self.inode(path) else { continue }
                namespaces?[UInt32(truncatingIfNeeded: number)] = path
            }
        }
        return namespaces?[inode]
    }

    private mutating func cgroup(_ id: UInt64) -> String? {
        if cgroups == nil {
            cgroups = [:]
            if let mount = Self.cgroupMount { walk(mount) }
        }
        return cgroups?[id]
    }

    /// A cgroup's id is its directory's inode.
    private mutating func walk(_ mount: String) {
        var next = [mount]
        var left = Self.mostCgroups
        while let directory = next.popLast(), left > 0 {
            left -= 1
            if let number = Self.inode(directory) { cgroups?[number] = directory }
            // One that was removed meanwhile has no children.
            let names = (try? FileSystem.list(directory)) ?? []
            for name in names
            where !name.contains(".") || name.hasSuffix(".slice")
                || name.hasSuffix(".service") || name.hasSuffix(".scope")
            {
                let path = directory + "/" + name
                if FileSystem.kind(path) == .directory { next.append(path) }
            }
        }
    }

    private mutating func symbol(_ object: UInt32, _ type: UInt32) -> String? {
        // freplace: the object is a program, and the type is in its BTF.
        if types[object] == nil {
            // Types that cannot be read leave the numbers.
            types[object] = .some(try? Self.types(of: object))
        }
        let name = types[object]??.name(of: type) ?? ""
        return name.isEmpty ? nil : name
    }

    private static func types(of object: UInt32) throws(BPFError) -> BTFTypes {
        do { return try KernelTypes.shared(id: object) } catch {
            return try KernelTypes.types(id: Program(id: object).info().btfID)
        }
    }

    private static func inode(_ path: String) -> UInt64? {
        // What is not there has no number.
        (try? FileSystem.identity(path))?.inode
    }

    private static var cgroupMount: String? {
        for line in (FileSystem.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}
