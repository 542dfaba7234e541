internal import BPF
internal import Linux
internal import Loading
public import Problems
internal import Registry
internal import Synchronization

/// How much there may be on a node. What is over answers with the limit and its setting.
public struct Quotas: Sendable {
    public var objects = 1000
    public var programs = 1000
    public var probes = 10_000
    public var maps = 10_000
    /// Reckoned before the kernel is asked.
    public var mapMemoryBytes = 4 << 30
    public var loadsPerMinute = 6000
    /// Of a map that is dumped in one answer, by its max_entries.
    public var entriesPerDump = Int.max

    public init() {}
}

/// Loads of the last minute: a bucket that holds a minute's worth and fills all the time.
final class LoadRate: Sendable {
    private struct State {
        var left: Double
        var at = Clock.monotonicNanoseconds()
    }

    private let perMinute: Double
    private let state: Mutex<State>

    init(perMinute: Int) {
        self.perMinute = Double(perMinute)
        state = Mutex(State(left: Double(perMinute)))
    }

    /// - Returns: nil, or in how many seconds there is room.
    func take() -> Int? {
        state.withLock { state in
            let now = Clock.monotonicNanoseconds()
            let minutes = Double(now - state.at) / 60e9
            state.left = min(perMinute, state.left + minutes * perMinute)
            state.at = now
            guard state.left >= 1 else { return Int((1 - state.left) / perMinute * 60) + 1 }
            state.left -= 1
            return nil
        }
    }
}

extension Node {
    /// Whether one more load fits, and what it may take.
    /// - Throws: `too_many_requests`, `quota_exceeded`.
    func admitLoad(_ name: String, _ request: inout LoadRequest) throws(Problem) {
        let quotas = configuration.quotas
        let turn = QuotaTurns.current
        // What comes back after a reboot was admitted once; only clients can be too quick. One that
        // has its turn alone was counted before.
        if isReady, turn?.isAlone != true, let seconds = loadRate.take() {
            var problem = Problem(
                .tooManyRequests,
                "\(quotas.loadsPerMinute) loads a minute are allowed (loads_per_minute).")
            problem.members["retry_after_s"] = .number(Int64(seconds))
            throw problem
        }
        // What a manifest has loaded before it counts, though nothing of it is committed.
        let staged = StagedPrograms.current.filter { $0.key != name }
        let others = state.withLock { state in
            state.programs.values.filter { $0.row.name != name && staged[$0.row.name] == nil }
        }
        let there = others.count + staged.count
        let room = quotas.programs - there
        guard turn?.take(\.programs, name, of: room, wanted: 1) ?? room > 0 else {
            throw exceeded("programs", there, quotas.programs, "max_programs")
        }
        let maps = (others.compactMap(\.loaded) + staged.values).flatMap(\.maps.values)
        let mapsLeft = max(0, quotas.maps - maps.count)
        request.mapLimit = turn?.take(\.maps, name, of: mapsLeft) ?? mapsLeft
        let bytesLeft = max(0, quotas.mapMemoryBytes - Self.cost(of: maps))
        request.mapMemoryLimitBytes = turn?.take(\.mapMemoryBytes, name, of: bytesLeft) ?? bytesLeft
    }

    /// What a load was refused with; where it was a limit, with the limit.
    func refusal(of failure: LoadFailure) -> Problem {
        var problem = Problem(failure)
        guard failure.stage == .quota else { return problem }
        let quotas = configuration.quotas
        // What is about memory names the map that has no room.
        let limit = failure.map == nil ? quotas.maps : quotas.mapMemoryBytes
        problem.detail += "; the limit is \(limit)."
        problem.members["limit"] = .number(Int64(limit))
        return problem
    }

    /// Gives back what a load was granted and does not need.
    func settleLoad(_ loaded: LoadedProgram) {
        guard let turn = QuotaTurns.current else { return }
        let maps = Array(loaded.maps.values)
        _ = turn.take(\.maps, loaded.name, of: .max, wanted: maps.count)
        _ = turn.take(\.mapMemoryBytes, loaded.name, of: .max, wanted: Self.cost(of: maps))
    }

    private static func cost(of maps: [LoadedMap]) -> Int {
        maps.reduce(0) { used, map in
            let info = map.map.info
            let cost = MapCost.bytes(
                type: info.type, keySize: info.keySize, valueSize: info.valueSize,
                maxEntries: info.maxEntries)
            return used > .max - cost ? .max : used + cost
        }
    }

    /// - Parameter count: less than none where a manifest takes more away than it adds.
    /// - Throws: `quota_exceeded` where so many more probes do not fit.
    func admitProbes(_ count: Int) throws(Problem) {
        let there = state.withLock { $0.probes.count }
        let limit = configuration.quotas.probes
        guard count > 0 else { return }
        let room = limit - there
        guard QuotaTurns.current?.take(\.probes, "", of: room, wanted: count) ?? room >= count
        else {
            throw exceeded("probes", there, limit, "max_probes")
        }
    }

    /// - Throws: `quota_exceeded` where one more object does not fit.
    func admitObject(_ digest: String) throws(Problem) {
        let limit = configuration.quotas.objects
        let there: Int
        do {
            there = try FileSystem.list(configuration.stateDirectory + "/objects").count
        } catch { throw Problem(error, while: "count the kept objects") }
        let room = limit - there
        guard QuotaTurns.current?.take(\.objects, digest, of: room, wanted: 1) ?? room > 0 else {
            throw exceeded("kept objects", there, limit, "max_objects")
        }
    }

    /// - Parameter limit: that the client itself set.
    /// - Throws: `quota_exceeded` where a dump of the map could have more entries than are allowed.
    public func admitDump(_ map: MapView, limit: Int?) throws(Problem) {
        let allowed = configuration.quotas.entriesPerDump
        guard min(map.info.maxEntries, limit ?? .max) > allowed else { return }
        var problem = Problem(
            .quotaExceeded,
            "Map \(map.program)/\(map.name) may have \(map.info.maxEntries) entries, a dump "
                + "\(allowed) (entries_per_dump): give limit=, or read pages.")
        problem.members["limit"] = .number(Int64(allowed))
        throw problem
    }

    private func exceeded(_ what: String, _ there: Int, _ limit: Int, _ setting: String) -> Problem
    {
        var problem = Problem(
            .quotaExceeded, "There are \(there) \(what), the limit is \(limit) (\(setting)).")
        problem.members["limit"] = .number(Int64(limit))
        return problem
    }
}
