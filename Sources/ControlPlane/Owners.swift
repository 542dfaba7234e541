internal import Problems
internal import Registry

/// Who declared the programs and probes, in memory: the registry's `owners`.
struct Owners: Sendable {
    private(set) var programs: [String: String] = [:]
    private(set) var probes: [String: String] = [:]

    init() {}

    init(_ rows: [OwnerRow]) {
        for row in rows { set(row) }
    }

    mutating func set(_ row: OwnerRow) {
        switch row.kind {
        case .program: programs[row.name] = row.owner
        case .probe: probes[row.name] = row.owner
        }
    }

    mutating func forget(program name: String) { programs[name] = nil }
    mutating func forget(probe id: String) { probes[id] = nil }
}
