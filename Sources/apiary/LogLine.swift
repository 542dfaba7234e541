internal import Linux
internal import Logging

/// How a line of the log is written: `log_format`.
enum LogFormat: String, CaseIterable {
    /// `time=… level=info msg=request status=200 …`
    case logfmt
    /// One JSON object a line.
    case json
}

/// One line of the log. Values come from clients too: what could break the line is escaped, and a
/// value is cut after 2 KiB.
struct LogLine {
    private static let valueLimit = 2048
    private static let hexDigits = Array("0123456789abcdef".utf8)

    private(set) var bytes: [UInt8] = []
    private let format: LogFormat

    init(
        _ format: LogFormat, _ time: Timestamp, _ level: Logger.Level, _ message: String,
        _ metadata: Logger.Metadata
    ) {
        self.format = format
        bytes.reserveCapacity(256)
        if format == .json { bytes.append(UInt8(ascii: "{")) }
        add("time", time.description, isFirst: true)
        add("level", level.rawValue)
        add("msg", message)
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) { add(name, "\(value)") }
        if format == .json { bytes.append(UInt8(ascii: "}")) }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func add(_ name: String, _ value: String, isFirst: Bool = false) {
        let value = Self.withoutTokens(value).utf8.prefix(Self.valueLimit)
        switch format {
        case .json:
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            addQuoted(name.utf8.prefix(Self.valueLimit))
            bytes.append(UInt8(ascii: ":"))
            addQuoted(value)
        case .logfmt:
            if !isFirst { bytes.append(UInt8(ascii: " ")) }
            bytes.append(contentsOf: name.utf8)
            bytes.append(UInt8(ascii: "="))
            if value.isEmpty || value.contains(where: Self.needsQuotes) {
                addQuoted(value)
            } else {
                bytes.append(contentsOf: value)
            }
        }
    }

    /// The text of a token or a ticket that somebody put where it does not belong, as into a path,
    /// is cut off behind its prefix.
    private static func withoutTokens(_ value: String) -> String {
        var last: UInt32 = 0
        let holdsOne = value.utf8.contains { byte in
            last = last << 8 | UInt32(byte)
            return last == 0x6170_795f || last == 0x6170_745f  // apy_, apt_
        }
        return holdsOne
            ? value.replacing(/ap[yt]_[A-Za-z0-9_-]{8,}/) { "\($0.output.prefix(4))…" } : value
    }

    private static func needsQuotes(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "=")
            || byte == UInt8(ascii: "\\")
    }

    /// As a JSON string, which logfmt readers take as well.
    private mutating func addQuoted(_ text: Substring.UTF8View) {
        bytes.append(UInt8(ascii: "\""))
        // A character that the limit cut is replaced.
        for byte in String(decoding: text, as: UTF8.self).utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case UInt8(ascii: "\n"): bytes.append(contentsOf: #"\n"#.utf8)
            case 0..<0x20, 0x7f:
                bytes.append(contentsOf: #"\u00"#.utf8)
                bytes.append(Self.hexDigits[Int(byte >> 4)])
                bytes.append(Self.hexDigits[Int(byte & 15)])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
