/// A place in a journal: for each stream that a reader follows, the last number it was given.
///
/// As text `<journal's id>.<stream>-<number>`, for a merge `.<stream>-<number>` for each in order
/// of the streams' numbers; the journal's id alone where there is no stream yet. Opaque to clients.
struct Cursor: Hashable {
    struct Place: Hashable {
        var stream: UInt64
        /// Everything up to and including this was delivered; 0: nothing.
        var sequence: UInt64
    }

    var journal: UInt64
    var places: [Place]

    var text: [UInt8] {
        var text = Journal.hex(journal)
        for place in places {
            text.append(UInt8(ascii: "."))
            text += String(place.stream).utf8
            text.append(UInt8(ascii: "-"))
            text += String(place.sequence).utf8
        }
        return text
    }

    init(journal: UInt64, places: [Place]) {
        self.journal = journal
        self.places = places
    }

    /// Reads only what `text` writes: nothing may be left out, added or in another order.
    init?(parsing string: String) {
        let parts = string.utf8.split(
            separator: UInt8(ascii: "."), maxSplits: 4096, omittingEmptySubsequences: false)
        guard let first = parts.first, first.count == 16,
            let id = UInt64(Substring(first), radix: 16)
        else { return nil }
        journal = id
        places = []
        for part in parts.dropFirst() {
            let numbers = part.split(
                separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard numbers.count == 2, let stream = UInt64(Substring(numbers[0])),
                let sequence = UInt64(Substring(numbers[1])),
                stream > places.last?.stream ?? 0
            else { return nil }
            places.append(Place(stream: stream, sequence: sequence))
        }
        // Signs, leading zeros and capitals would be read above.
        guard text.elementsEqual(string.utf8) else { return nil }
    }
}
