/// Prometheus's text format, version 0.0.4, appended family by family.
struct MetricsText {
    enum Kind: String { case counter, gauge, histogram }

    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var bytes: [UInt8] = []
    private var family = ""

    init() { bytes.reserveCapacity(16 << 10) }

    /// Begins a family; its samples follow.
    /// - Parameter help: one sentence without an end mark.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        append("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
    }

    /// One sample of the family that was begun.
    /// - Parameter suffix: `_bucket`, `_sum` or `_count` of a histogram.
    mutating func add(
        _ value: some CustomStringConvertible, _ labels: KeyValuePairs<String, String> = [:],
        suffix: String = ""
    ) {
        append(family + suffix)
        if !labels.isEmpty {
            append("{")
            var isFirst = true
            for (name, text) in labels {
                append(isFirst ? "\(name)=\"" : ",\(name)=\"")
                appendEscaped(text)
                append("\"")
                isFirst = false
            }
            append("}")
        }
        append(" \(value)\n")
    }

    /// A family of one sample.
    mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ value: some CustomStringConvertible
    ) {
        begin(name, kind, help)
        add(value)
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func appendEscaped(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append(#"\\"#)
            case UInt8(ascii: "\""): append(#"\""#)
            case UInt8(ascii: "\n"): append(#"\n"#)
            default: bytes.append(byte)
            }
        }
    }
}

/// Nanoseconds in seconds, as Prometheus wants times.
func seconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e9 }
