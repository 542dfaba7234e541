internal import CLibbpf

/// Where a program comes to stand among those that are there already.
public enum LinkPlace: Sendable, Hashable {
    case last
    case first
    case before(programID: UInt32)
    case after(programID: UInt32)

    // linux/bpf.h: BPF_F_BEFORE, BPF_F_AFTER, BPF_F_ID.
    var flags: UInt32 {
        switch self {
        case .last: 0
        case .first: 1 << 3
        case .before: 1 << 3 | 1 << 5
        case .after: 1 << 4 | 1 << 5
        }
    }

    var relativeID: UInt32 {
        switch self {
        case .last, .first: 0
        case .before(let id), .after(let id): id
        }
    }
}

extension Program {
    /// - Throws: `ENODEV` no such interface; `ENOENT` the program to stand beside is not there;
    ///   `EEXIST` the program is there already; `EINVAL` before 6.6.
    func attachTCX(interfaceIndex: UInt32, isIngress: Bool, place: LinkPlace) throws(BPFError)
        -> Link
    {
        let type: AttachType = isIngress ? .tcxIngress : .tcxEgress
        return try unsafe createLink(target: Int32(bitPattern: interfaceIndex), type) {
            unsafe $0.flags = place.flags
            unsafe $0.tcx.relative_id = place.relativeID
        }
    }
}
