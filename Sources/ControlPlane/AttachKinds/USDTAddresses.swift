internal import BPF
internal import Linux
internal import Loading
internal import Problems

/// The table of usdt.bpf.h, `__bpf_usdt_ip_to_spec_id`, in which a program on a kernel without
/// cookies (before 5.15) looks up by the address where it runs which entry of `__bpf_usdt_specs` is
/// the place's.
///
/// An address has one entry, of one attached probe of the program. Entries of probes that are gone
/// stay until another is written: nothing runs there.
struct USDTAddresses {
    static let mapName = "__bpf_usdt_ip_to_spec_id"

    private let site: AttachSite
    private let table: LoadedMap
    private let specs: LoadedMap
    /// Of the process that is probed.
    private let mappings: [FileMapping]

    /// - Throws: `attach_refused` the program has no such table; `target_not_found` no process.
    init(_ site: AttachSite, binary: String) throws(Problem) {
        guard let table = site.program.maps[Self.mapName], table.map.info.keySize == 8,
            table.map.lookupBytes == 4, let specs = site.program.maps[USDTSpecs.mapName]
        else {
            throw Problem(
                .attachRefused,
                "The program has no \(Self.mapName), by which kernels before 5.15 find the "
                    + "arguments of a place: compile it with libbpf's usdt.bpf.h.",
                pointer: "/attach/name")
        }
        self.site = site
        self.table = table
        self.specs = specs
        guard let processID = site.processID else {
            mappings = []
            return
        }
        guard let all = FileMapping.all(ofProcess: processID) else {
            throw site.missing("There is no process \(processID).", "pid", errno: .esrch)
        }
        // A file that is gone is mapped nowhere.
        let inode = (try? FileSystem.identity(binary))?.inode
        mappings = all.filter { $0.isExecutable && ($0.inode == inode || $0.path == binary) }
    }

    /// Addresses of the place; of a library one for each time that the process has it mapped.
    /// - Throws: `host_lacks` where they are others in each process, and the document names none.
    func addresses(of place: USDTSite) throws(Problem) -> [UInt64] {
        if let address = place.address { return [address] }
        guard site.processID != nil else {
            throw Self.needsProcess(site)
        }
        let found = mappings.compactMap { $0.address(ofFileOffset: place.offset) }
        guard !found.isEmpty else {
            throw site.missing(
                "Process \(site.processID ?? 0) does not run \(site.text("binary") ?? "").", "pid",
                errno: .esrch)
        }
        return found
    }

    private static func needsProcess(_ site: AttachSite) -> Problem {
        var problem = site.hostLacks(
            "kernel 5.15, for places in libraries and position-independent programs, which are "
                + "elsewhere in each process", BPFError("bpf_get_attach_cookie", .eopnotsupp))
        problem.hint = "Give \"pid\": of one process it is known where they are."
        return problem
    }

    /// Entries that lead to no attached probe's arguments.
    func sweep() throws(BPFError) {
        var stale: [[UInt8]] = []
        var last: [UInt8]?
        var count = 0
        while count <= table.map.info.maxEntries, let key = try table.map.nextKey(after: last) {
            if let value = try table.map.lookup(key.span), holder(value) == nil {
                stale.append(key)
            }
            last = key
            count += 1
        }
        for key in stale { _ = try table.map.delete(key.span) }
    }

    /// - Throws: `attach_busy` another probe of the program is at the address, or there is no room.
    func write(_ address: UInt64, _ id: UInt32) throws(Problem) {
        let key = (0..<8).map { UInt8(truncatingIfNeeded: address >> (8 * UInt64($0))) }
        let value = (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * UInt32($0))) }
        let isThere: Bool
        do {
            isThere = try table.map.lookup(key.span).map { holder($0) != nil } ?? false
        } catch {
            throw Problem(error, while: "read \(Self.mapName) of \(site.program.name)")
        }
        if isThere { throw busy(address, key) }
        do { try table.map.update(key.span, value.span, .any) } catch {
            guard error.errno == .e2big else {
                throw Problem(error, while: "write \(Self.mapName) of \(site.program.name)")
            }
            throw Problem(
                .attachBusy,
                "The program has room for \(table.map.info.maxEntries) USDT places: load it with "
                    + "maps {\"\(Self.mapName)\": {\"max_entries\": …}}.", errno: "E2BIG")
        }
    }

    private func holder(_ value: [UInt8]) -> ProbeRecord? {
        USDTSpecs.holder(of: value.reversed().reduce(0) { $0 << 8 | UInt32($1) }, specs, site)
    }

    private func busy(_ address: UInt64, _ key: [UInt8]) -> Problem {
        // Read a moment ago.
        let id = ((try? table.map.lookup(key.span)) ?? nil).flatMap { holder($0)?.row.id } ?? "?"
        var problem = Problem(
            .attachBusy,
            "Probe \(id) of the same program is at this place, and before kernel 5.15 a program "
                + "cannot tell two of them apart: detach that first, or load the program a second "
                + "time.", pointer: "/attach")
        problem.members["holder_probe"] = .text(id)
        return problem
    }
}
