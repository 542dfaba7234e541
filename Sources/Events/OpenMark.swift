internal import Linux

/// What a stream's directory tells the next daemon of the source that this one takes from: a small
/// file that is there from when the stream is opened until its source was emptied and let go of.
///
/// `open BOOT MAP`, or `emptied BOOT MAP` where the source was cut off and emptied before the
/// daemon ended. Without it nothing can have been left in a source.
struct OpenMark: Sendable, Hashable {
    private static let fileName = "open"

    var identity: RingIdentity
    var isEmptied = false

    static func read(_ directory: String) -> OpenMark? {
        let words = FileSystem.text(directory + "/" + fileName)?.split { $0 == " " || $0 == "\n" }
        guard let words, words.count == 3, let boot = UInt64(words[1]), let map = UInt64(words[2])
        else { return nil }
        return OpenMark(
            identity: RingIdentity(mapID: map, boot: boot), isEmptied: words[0] == "emptied")
    }

    /// Where it cannot be written (no room), what a crash leaves in the source is not told.
    func write(_ directory: String) {
        let word = isEmptied ? "emptied" : "open"
        let text = "\(word) \(identity.boot) \(identity.mapID)\n"
        try? FileSystem.replace(directory + "/" + Self.fileName, with: Array(text.utf8).span)
    }

    static func remove(_ directory: String) {
        // One that stays makes the next start tell of losses that nobody knows: not wrong.
        try? FileSystem.unlink(directory + "/" + fileName)
    }

    /// Whether records that the last daemon did not take can be gone without having been counted.
    func mayHaveLost(_ source: any RecordSource, countsFailures: Bool) -> Bool {
        // Another ring, as after a reboot: what was left in the old one nobody knows.
        guard identity == source.identity else { return true }
        // What comes while no daemon is there only the program counts.
        return source.isVolatile && !(isEmptied && countsFailures)
    }
}
