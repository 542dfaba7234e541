// What `apiary check-config` prints.
extension Configuration: CustomStringConvertible {
    /// The configuration in force, as a file that gives it again; behind each value where it came
    /// from.
    var description: String {
        Settings.all.map { setting in
            setting.line(text(of: setting)) + note(source(setting.key), setting)
        }.joined(separator: "\n")
    }

    /// A setting's value as text, for comparing.
    func line(_ key: String) -> String { Settings.named(key).map(text(of:)) ?? "" }

    private func text(of setting: Setting) -> String {
        switch setting.kind {
        case .path, .text, .choice: SettingText.scalar(text(setting.key))
        case .flag: "\(flag(setting.key))"
        case .integer: "\(integer(setting.key))"
        case .list: "[" + list(setting.key).map(SettingText.scalar).joined(separator: ", ") + "]"
        case .map:
            "{"
                + map(setting.key).map { entry in
                    SettingText.scalar(entry.name) + ": " + SettingText.scalar(entry.value)
                }.joined(separator: ", ") + "}"
        }
    }

    private func note(_ source: Source, _ setting: Setting) -> String {
        switch source {
        case .commandLine: "  # command line"
        case .environment: "  # \(setting.variable)"
        case .file: "  # file"
        case .fallback: ""
        }
    }
}

extension Setting {
    fileprivate func line(_ value: String) -> String { "\(key): \(value)" }

    /// The default as it stands in a file.
    private var defaultText: String {
        switch kind {
        case .list: "[\(fallback)]"
        case .map: "{\(fallback)}"
        case .path, .text, .choice: SettingText.scalar(fallback)
        case .flag, .integer: fallback
        }
    }

    /// What the example configuration has for it: everything is a comment.
    fileprivate var example: String { "# \(sentence)\n# \(type)\n#\(key): \(defaultText)" }

    /// Its row of the documentation.
    fileprivate var row: String {
        let shown = fallback.isEmpty ? "none" : "`\(fallback)`"
        return "| `\(key)` | \(type) | \(shown) | \(sentence) |"
    }
}

extension Settings {
    /// A file with every setting at its default, as comments.
    static var example: String { all.map(\.example).joined(separator: "\n\n") }

    /// The table of `docs/configuration.md`.
    static var markdown: String {
        (["| key | value | default | what it does |", "| --- | --- | --- | --- |"]
            + all.map(\.row)).joined(separator: "\n")
    }
}

/// Values as YAML.
enum SettingText {
    /// In quotes where YAML would read something else.
    static func scalar(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        let isWord = text.utf8.first.map { $0 == UInt8(ascii: "/") || $0 > 0x40 } ?? false
        if plain && isWord && !["true", "false", "null", "yes", "no"].contains(text) {
            return text
        }
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"" + escaped + "\""
    }
}
