public import BPF
internal import Linux
internal import Loading
public import Problems

/// Whose an object of the kernel's is here, where it is Apiary's.
public struct ApiaryOwner: Sendable, Hashable {
    public let program: String
    public var function: String?
    public var map: String?
    public var probe: String?
}

/// Something that the kernel holds, of whoever made it.
public struct KernelObject: Sendable {
    public enum Details: Sendable {
        case program(ProgramInfo, memoryBytes: Int?)
        case map(MapInfo, memoryBytes: Int?, isFrozen: Bool?)
        case link(LinkInfo, LinkDetails, LinkNames)
        case btf(BTFObjectInfo, programs: [UInt32], maps: [UInt32])
    }

    public let id: UInt32
    public let name: String
    /// As bpftool names it; empty for BTF.
    public let type: String
    public let details: Details
    public let pins: [String]
    public let holders: [Holder]
    public let owner: ApiaryOwner?
}

/// What the numbers of a link's target are called here and now.
public struct LinkNames: Sendable {
    public var attachType: String?
    public var interface: String?
    public var namespace: String?
    public var cgroup: String?
    /// Of the traced function, tracepoint or hook.
    public var symbol: String?
    public var symbols: [String] = []
}

/// Which objects are wanted.
public struct KernelFilter: Sendable {
    public var type: String?
    public var name: String?
    public var tag: String?
    public var program: UInt32?
    public var map: UInt32?
    /// Only Apiary's own, or only others'.
    public var isOurs: Bool?

    public init() {}
}

extension Node {
    /// A page of the objects of a kind, by id; one more than `limit` where there are more.
    ///
    /// The list is no snapshot: what comes or goes meanwhile may be there or not. Blocks for some
    /// 10 ms: all of /proc and every bpffs are looked through once.
    /// - Throws: `kernel_forbids` without CAP_SYS_ADMIN.
    public func kernelObjects(
        _ kind: KernelObjectKind, _ filter: KernelFilter, after: UInt32, limit: Int
    ) throws(Problem) -> [KernelObject] {
        let ids: [UInt32]
        do { ids = try Inventory.ids(kind).filter { $0 > after } } catch {
            throw Problem(error, while: "list what it holds")
        }
        let survey = KernelSurvey(self, kind)
        var found: [KernelObject] = []
        for id in ids.sorted() {
            // What went away since the list was made is no part of it.
            guard let object = try object(kind, id, survey), object.fits(filter) else { continue }
            found.append(object)
            if found.count > limit { break }
        }
        return found
    }

    /// - Throws: `not_found`; `kernel_forbids`.
    public func kernelObject(_ kind: KernelObjectKind, _ id: UInt32) throws(Problem)
        -> KernelObject
    {
        guard let found = try object(kind, id, KernelSurvey(self, kind)) else {
            throw Problem(
                .notFound, "The kernel has no \(kind == .btf ? "BTF object" : kind.rawValue) \(id)."
            )
        }
        return found
    }

    private func object(_ kind: KernelObjectKind, _ id: UInt32, _ survey: KernelSurvey)
        throws(Problem) -> KernelObject?
    {
        do throws(BPFError) {
            switch kind {
            case .program: return try survey.program(id)
            case .map: return try survey.map(id)
            case .link: return try survey.link(id)
            case .btf: return try survey.btf(id)
            }
        } catch {
            if error.errno == .enoent || error.errno == .eagain { return nil }
            throw Problem(error, while: "tell about \(kind.rawValue) \(id)")
        }
    }
}

extension KernelObject {
    func fits(_ filter: KernelFilter) -> Bool {
        if let type = filter.type, type != self.type { return false }
        if let name = filter.name, name != self.name { return false }
        if let isOurs = filter.isOurs, isOurs != (owner != nil) { return false }
        switch details {
        case .program(let info, _):
            if let tag = filter.tag, tag != info.tag { return false }
            if let map = filter.map, !info.mapIDs.contains(map) { return false }
        case .link(let info, _, _):
            if let program = filter.program, program != info.programID { return false }
        case .btf(_, let programs, let maps):
            if let program = filter.program, !programs.contains(program) { return false }
            if let map = filter.map, !maps.contains(map) { return false }
        case .map: break
        }
        return true
    }
}
