internal import BPF
internal import JSON
internal import Linux
internal import Loading
internal import Problems

/// The table of usdt.bpf.h, `__bpf_usdt_specs`, in which `bpf_usdt_arg` looks up where a place's
/// arguments are; a place's cookie is its index.
///
/// The layout is the program's, by its BTF: libbpf's own is another one from release to release.
/// Who an entry belongs to stands in the padding at its end, which no program reads: the number of
/// the link's pin. An entry whose number is no living pin's is free. So the table itself says
/// what is taken, to any later daemon, and a detached probe gives its entries back by going.
enum USDTSpecs {
    static let mapName = "__bpf_usdt_specs"

    /// Writes what the places need, one entry for those that are alike.
    /// - Returns: each place's cookie; the document's own where the program has no table, and none
    ///   on a kernel without cookies, where the program finds its arguments by address.
    static func write(_ places: [USDTSite], of binary: String, at site: AttachSite)
        throws(Problem) -> [UInt64?]
    {
        guard let table = site.program.maps[mapName] else {
            return places.map { _ in site.unsigned("cookie") }
        }
        var kinds: [[USDTSite.Argument]] = []
        for place in places where !kinds.contains(place.arguments) {
            kinds.append(place.arguments)
        }
        let owner = Names.handle(of: site.pin)
        // Without a pin it is only looked whether it could be.
        let isWritten = !site.pin.isEmpty
        do {
            let free = try freeEntries(of: table.map, atMost: kinds.count, site)
            guard free.count == kinds.count else {
                throw Problem(
                    .attachBusy,
                    "The program has room for \(table.map.info.maxEntries) kinds of USDT places, "
                        + "\(free.count) of them free, and this probe has \(kinds.count): load it "
                        + "with maps {\"\(mapName)\": {\"max_entries\": …}}.")
            }
            for (index, arguments) in zip(free, kinds) {
                var bytes = try encode(arguments, site, table)
                mark(&bytes, owner)
                if isWritten { try table.map.update(key(index).span, bytes.span, .any) }
            }
            let ids = places.map { place in
                kinds.firstIndex(of: place.arguments).map { UInt64(free[$0]) }
            }
            if HostProbe.hasAttachCookies { return ids }
            let table = try USDTAddresses(site, binary: binary)
            if isWritten { try table.sweep() }
            for (place, id) in zip(places, ids) {
                for address in try table.addresses(of: place) where isWritten {
                    try table.write(address, UInt32(id ?? 0))
                }
            }
            return places.map { _ in nil }
        } catch let problem as Problem {
            throw problem
        } catch let error as BPFError {
            throw Problem(error, while: "write \(mapName) of \(site.program.name)")
        } catch {
            throw Problem(.internalError, "\(mapName) is not written: \(error).")
        }
    }

    private static func freeEntries(of map: Map, atMost wanted: Int, _ site: AttachSite)
        throws(BPFError) -> [Int]
    {
        let living = site.node.state.withLock { state in
            Set(state.probes.values.map { Names.handle(of: $0.row.pin) })
        }
        var free: [Int] = []
        for index in 0..<Int(map.info.maxEntries) where free.count < wanted {
            let bytes = try map.lookup(key(index).span) ?? []
            if !living.contains(owner(of: bytes)) { free.append(index) }
        }
        return free
    }

    /// `BPF_USDT_ARG_CONST` 0, `_REG` 1, `_REG_DEREF` 2, `_SIB` 3 (libbpf 1.7).
    private static func encode(
        _ arguments: [USDTSite.Argument], _ site: AttachSite, _ table: LoadedMap
    ) throws -> [UInt8] {
        var rows: [JSONValue] = []
        for argument in arguments {
            var row = JSONObject()
            row["val_off"] = JSONValue(UInt64(bitPattern: argument.value))
            row["arg_signed"] = .bool(argument.isSigned)
            row["arg_bitshift"] = JSONValue(64 - argument.size * 8)
            switch argument.location {
            case .constant: row["arg_type"] = 0
            case .register(let offset):
                row["arg_type"] = 1
                row["reg_off"] = JSONValue(offset)
            case .memory(let offset):
                row["arg_type"] = 2
                row["reg_off"] = JSONValue(offset)
            case .indexed(let offset, let index, let shift):
                row["arg_type"] = 3
                row["reg_off"] = JSONValue(offset)
                row["idx_reg_off"] = JSONValue(index)
                row["scale_bitshift"] = JSONValue(shift)
            }
            rows.append(.object(row))
        }
        let empty: JSONValue = [:]
        let all = rows + Array(repeating: empty, count: USDTSite.mostArguments - rows.count)
        do {
            return try table.valuePlan.encode([
                "args": .array(all), "arg_cnt": JSONValue(rows.count),
                "usdt_cookie": JSONValue(site.unsigned("cookie") ?? 0),
            ])
        } catch {
            let isIndexed = arguments.contains {
                if case .indexed = $0.location { true } else { false }
            }
            throw Problem(
                .attachRefused,
                isIndexed
                    ? "An argument of the probe is in memory at the sum of two registers, which "
                        + "the program's usdt.bpf.h cannot read: compile it with libbpf 1.7 or "
                        + "later."
                    : "The program's \(mapName) is not as usdt.bpf.h has it: \(error.reason).",
                pointer: "/attach/name")
        }
    }

    private static func key(_ index: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: index >> ($0 * 8)) }
    }

    private static func mark(_ bytes: inout [UInt8], _ owner: UInt32) {
        guard bytes.count >= 8 else { return }
        for place in 0..<4 {
            bytes[bytes.count - 4 + place] = UInt8(truncatingIfNeeded: owner >> (place * 8))
        }
    }

    /// The probe to which an entry belongs and which is attached; nil: nobody's.
    static func holder(of index: UInt32, _ table: LoadedMap, _ site: AttachSite) -> ProbeRecord? {
        // What is not there is nobody's.
        guard index < table.map.info.maxEntries,
            let bytes = try? table.map.lookup(key(Int(index)).span)
        else { return nil }
        let handle = owner(of: bytes)
        return site.node.state.withLock { state in
            state.probes.values.first { record in
                Names.handle(of: record.row.pin) == handle
                    && record.attachment?.isDetached == false
            }
        }
    }

    private static func owner(of bytes: [UInt8]) -> UInt32 {
        bytes.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
