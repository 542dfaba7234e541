internal import BPF
internal import BTF
internal import Problems

extension LoadedMap {
    /// Whether keys are the numbers 0 to `max_entries - 1`.
    var hasIndexes: Bool {
        MapAbilities.isIndexed(map.info.type)
    }

    /// The numbers that a value consists of, for sums over the CPUs.
    /// - Throws: `unsupported_map_operation` where there is something else in it.
    func numbers(encoding: EntryEncoding, cpu: CPUView) throws(Problem) -> [ValuePlan.Member] {
        guard encoding == .typed else {
            throw Problem(
                .unsupportedMapOperation,
                "cpu=\(cpu.rawValue) needs encoding=typed: bytes have no sum.")
        }
        let numbers = valuePlan.numbers
        if let other = numbers.other {
            throw Problem(
                .unsupportedMapOperation,
                "cpu=\(cpu.rawValue) needs values of numbers alone; \(other): use cpu=each.")
        }
        return numbers.members
    }
}
