extension Piece {
    /// A number of entries from the first on, and how many of them have text or are left out.
    struct Run {
        var count: Int
        var visible: Int
        var filtered = 0
    }

    /// As many entries as are within all three; none where the first one's text is too long.
    func run(most: Int, visible: Int, bytes: Int) -> Run {
        let entries = entries.prefix(most)
        let start = chunk.textStart(entries.lowerBound)
        var (low, high) = (entries.lowerBound, entries.upperBound)
        if let last = entries.last, Int(chunk.line(last).textEnd) - start <= bytes { low = high }
        while low < high {
            let middle = (low + high) / 2
            if Int(chunk.line(middle).textEnd) - start <= bytes {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let fitting = low - entries.lowerBound
        if isDense {
            let count = min(fitting, visible)
            return Run(count: count, visible: count)
        }
        var run = Run(count: 0, visible: 0)
        while run.count < fitting, run.visible < visible {
            let index = entries.lowerBound + run.count
            let line = chunk.line(index)
            if chunk.textStart(index) < Int(line.textEnd) {
                run.visible += 1
            } else if !line.isUncounted {
                run.filtered += 1
            }
            run.count += 1
        }
        return run
    }
}
