internal import Linux

/// One record on the way that all of them take, from validation to its line, without a ring or a
/// journal: for fuzzers and tests.
package struct RecordTrial: ~Copyable {
    private let schema: RecordSchema?
    private let showsInvalid: Bool
    private var renderer: LineRenderer
    private var selector: Selector
    private var clock = WallClock()

    package init(_ schema: RecordSchema?, _ query: StreamQuery) {
        self.schema = schema
        var query = query
        if query.format == .csv, query.columns.isEmpty {
            query.columns = (schema?.types ?? []).flatMap(\.plan.columns) + ["data"]
        }
        let variant = LineVariant(query)
        showsInvalid = variant.showsInvalid
        let key = StreamKey(program: "p", map: "m")
        renderer = LineRenderer(LineHead(journal: 1, stream: 1, key: key), variant, nil)
        selector = Selector(variant.selection)
        renderer.use(schema)
        selector.use(schema)
        _ = clock.look()
    }

    /// - Returns: why it is invalid, and its line where it has one.
    package mutating func show(_ record: [UInt8], sequence: UInt64, isPadded: Bool = false)
        -> (invalid: String?, line: [UInt8]?)
    {
        var verdict = RecordCheck.Verdict(
            flags: 0, nanoseconds: 1, count: record.count, isInvalid: false)
        if let schema {
            verdict = unsafe record.withUnsafeBytes { bytes in
                unsafe schema.check.verdict(bytes, isPadded: isPadded, clock, taken: 1)
            }
        }
        let entry = EntryHeader(
            length: UInt32(verdict.count), flags: verdict.flags, sequence: sequence,
            nanoseconds: verdict.nanoseconds, position: 0)
        let reason = verdict.isInvalid ? entry.reason?.name ?? "" : nil
        let kept = record.span.extracting(0..<verdict.count)
        guard verdict.isInvalid == showsInvalid,
            verdict.isInvalid || selector.takes(entry, kept)
        else { return (reason, nil) }
        renderer.render(entry, kept)
        return (
            reason,
            renderer.withLine { line in
                unsafe line.withUnsafeBufferPointer { unsafe [UInt8]($0) }
            }
        )
    }
}
