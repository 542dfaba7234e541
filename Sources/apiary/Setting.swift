/// One setting: a row of the table in `Settings.swift`. Its key is also its name elsewhere: in the
/// environment `APIARY_` and the key in capitals, on the command line `--set key=value`.
struct Setting: Sendable {
    /// What values it takes. Empty text is no value, where the default is empty too.
    enum Kind: Sendable {
        /// An absolute path.
        case path
        case text
        case flag
        /// The unit stands in the key.
        case integer(ClosedRange<Int>)
        case choice([String])
        /// In the environment separated by commas.
        case list
        /// Names with a value each; in the environment `name=value,name=value`.
        case map(values: [String]?)
    }

    let key: String
    let kind: Kind
    /// `{key}` stands for the value of another setting that has no such reference itself.
    let fallback: String
    /// What it does, for the documentation.
    let sentence: String

    init(_ key: String, _ kind: Kind, _ fallback: String, _ sentence: String) {
        self.key = key
        self.kind = kind
        self.fallback = fallback
        self.sentence = sentence
    }

    var variable: String { "APIARY_" + key.uppercased() }

    /// What the value is, in words.
    var type: String {
        switch kind {
        case .path: "path"
        case .text: "text"
        case .flag: "true or false"
        case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .choice(let choices): choices.joined(separator: ", ")
        case .list: "list"
        case .map(let values):
            values.map { "name: " + $0.joined(separator: "/") } ?? "name: text"
        }
    }
}

/// A setting's value, checked.
enum SettingValue: Sendable, Equatable {
    case text(String)
    case flag(Bool)
    case integer(Int)
    case list([String])
    /// In the order of the file.
    case map([SettingEntry])
}

/// One name of a map and what stands beside it.
struct SettingEntry: Sendable, Equatable {
    let name: String
    let value: String
}

/// A value as it was written, before it is known what it should be.
enum WrittenValue {
    case scalar(String)
    case sequence([String])
    case mapping([SettingEntry])
}

extension Setting {
    /// - Parameter place: where it was written, for the message.
    /// - Throws: `CommandRefusal` that says what was wrong and what would be right.
    func value(_ written: WrittenValue, at place: String) throws -> SettingValue {
        switch (kind, written) {
        case (.path, .scalar(let text)):
            guard text.hasPrefix("/") || (text.isEmpty && fallback.isEmpty) else {
                throw refusal(text, at: place, "an absolute path")
            }
            return .text(text)
        case (.text, .scalar(let text)): return .text(text)
        case (.flag, .scalar(let text)):
            guard text == "true" || text == "false" else { throw refusal(text, at: place, type) }
            return .flag(text == "true")
        case (.integer(let range), .scalar(let text)):
            guard let number = Int(text), range.contains(number) else {
                throw refusal(text, at: place, "an integer from " + type)
            }
            return .integer(number)
        case (.choice(let choices), .scalar(let text)):
            guard choices.contains(text) else { throw refusal(text, at: place, "one of " + type) }
            return .text(text)
        case (.list, .sequence(let list)): return .list(list)
        case (.list, .scalar(let text)): return .list(Self.split(text))
        case (.map(let values), .mapping(let entries)):
            for entry in entries where values?.contains(entry.value) == false {
                throw refusal(
                    entry.value, at: "\(place): \(entry.name)",
                    "one of " + (values ?? []).joined(separator: ", "))
            }
            return .map(entries)
        case (.map, .scalar(let text)):
            let entries = try Self.split(text).map { part in
                guard let equals = part.lastIndex(of: "=") else {
                    throw refusal(part, at: place, "of the form name=value")
                }
                return SettingEntry(
                    name: String(part[..<equals]), value: String(part[part.index(after: equals)...])
                )
            }
            return try value(.mapping(entries), at: place)
        default:
            throw CommandRefusal("\(place): \(key) is not \(type).")
        }
    }

    private func refusal(_ text: String, at place: String, _ wanted: String) -> CommandRefusal {
        CommandRefusal("\(place): \"\(text)\" is not \(wanted).")
    }

    private static func split(_ text: String) -> [String] {
        text.split(separator: ",").map { part in
            var part = part.drop { $0 == " " }
            while part.last == " " { part.removeLast() }
            return String(part)
        }
    }
}
