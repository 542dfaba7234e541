/// Which records a reader wants, and what of them. Readers who want the same share their text.
struct Selection: Sendable, Hashable {
    var type: String?
    var filter: Filter?
    var sample: StreamQuery.Sample?
    var fields: [String] = []
    var resolves: StreamQuery.Resolve = []
    /// Of CSV.
    var columns: [String] = []

    var takesAll: Bool { type == nil && filter == nil && sample == nil }

    init(_ query: StreamQuery) {
        type = query.type
        filter = query.filter
        sample = query.sample
        fields = query.fields
        resolves = query.resolves
        columns = query.columns
    }
}

/// A selection made ready for the records of one schema. Used with its rendering's lock held.
struct Selector {
    private let selection: Selection
    private let takesAll: Bool
    private var fingerprint: UInt64?
    /// For each type: whether it is wanted, and the filter's program.
    private var types: [(isWanted: Bool, program: FilterProgram?)] = []

    init(_ selection: Selection) {
        self.selection = selection
        takesAll = selection.takesAll
    }

    mutating func use(_ schema: RecordSchema?) {
        guard !takesAll, schema?.fingerprint != fingerprint || schema == nil else { return }
        fingerprint = schema?.fingerprint
        types = (schema?.types ?? []).map { type in
            guard let filter = selection.filter else { return (isWanted(type), nil) }
            // What the filter cannot be held against it does not match.
            do { return (isWanted(type), try FilterProgram(filter, type)) } catch {
                return (false, nil)
            }
        }
    }

    private func isWanted(_ type: RecordType) -> Bool {
        selection.type == nil || selection.type == type.name
    }

    /// Whether a valid record is wanted.
    @inline(__always)
    func takes(_ entry: EntryHeader, _ record: Span<UInt8>) -> Bool {
        takesAll || examine(entry, record)
    }

    private func examine(_ entry: EntryHeader, _ record: Span<UInt8>) -> Bool {
        if let sample = selection.sample, !sample.takes(entry.sequence) { return false }
        guard selection.type != nil || selection.filter != nil else { return true }
        guard entry.typeIndex < types.count, types[entry.typeIndex].isWanted else { return false }
        return types[entry.typeIndex].program?.matches(record) ?? (selection.filter == nil)
    }
}
