internal import Linux

/// A stream's small file: its names, and its counts as of when it had no segment.
///
/// Text, a word and its values a line. Where there are segments, their headers know better.
struct StreamMeta {
    static let fileName = "meta"

    var key: StreamKey
    var end: Totals
    var mark: RingMark

    func write(_ directory: String) throws(Errno) {
        let invalid = (0..<8).map { String(end.invalid[$0]) }.joined(separator: " ")
        let text = """
            apiary-stream 1
            program \(key.program)
            map \(key.map)
            unknown-gaps \(end.unknownGaps)
            totals \(end.records) \(end.lostInKernel) \(end.lostInJournal) \(invalid)
            ring \(mark.identity.boot) \(mark.identity.mapID) \(mark.position) \(mark.lostCounter)

            """
        try FileSystem.replace(directory + "/" + Self.fileName, with: Array(text.utf8).span)
    }

    /// `nil` where there is none, or what is there is not one.
    static func read(_ directory: String) -> StreamMeta? {
        guard let text = FileSystem.text(directory + "/" + fileName) else { return nil }
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
        guard values["apiary-stream"] == "1", let map = values["map"],
            let totals = numbers(values["totals"], 11), let ring = numbers(values["ring"], 4)
        else { return nil }
        // The stream of no program has no name there.
        let program = values["program"] ?? ""
        var end = Totals()
        end.records = totals[0]
        end.lostInKernel = totals[1]
        end.lostInJournal = totals[2]
        for index in 0..<8 { end.invalid[index] = totals[3 + index] }
        // Earlier daemons did not write it.
        end.unknownGaps = values["unknown-gaps"].flatMap { UInt64($0) } ?? 0
        guard end.isPlausible else { return nil }
        return StreamMeta(
            key: StreamKey(program: String(program), map: String(map)), end: end,
            mark: RingMark(
                identity: RingIdentity(mapID: ring[1], boot: ring[0]), position: ring[2],
                lostCounter: ring[3]))
    }

    private static func numbers(_ text: Substring?, _ count: Int) -> [UInt64]? {
        let numbers = text?.split(separator: " ").compactMap { UInt64($0) }
        return numbers?.count == count ? numbers : nil
    }
}
