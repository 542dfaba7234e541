internal import Linux
internal import Yams

/// The YAML file: a mapping of the settings' keys to scalars, sequences or mappings of scalars.
struct ConfigurationFile {
    let values: [String: WrittenValue]

    /// - Throws: `CommandRefusal` where it cannot be read (an operator who names a file wants it),
    ///   is no YAML, or has a key that is no setting.
    init(_ path: String) throws {
        let bytes: [UInt8]
        do { bytes = try FileSystem.read(path, limit: 1 << 20) } catch {
            throw CommandRefusal("The configuration \(path) cannot be read: \(error).")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandRefusal("\(path) is not UTF-8.")
        }
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw CommandRefusal("\(path) is not YAML: \(error)")
        }
        var values: [String: WrittenValue] = [:]
        switch root {
        case nil: break
        case .scalar(let scalar)? where scalar.string.isEmpty: break
        case .mapping(let mapping)?:
            for (key, node) in mapping {
                let key = key.string ?? ""
                guard Settings.named(key) != nil else { throw Self.unknown(key, in: path) }
                values[key] = try Self.written(node, at: "\(path): \(key)")
            }
        default: throw CommandRefusal("\(path) is not a YAML mapping of names to values.")
        }
        self.values = values
    }

    private static func unknown(_ key: String, in path: String) -> CommandRefusal {
        let near = Settings.all.map(\.key).filter { $0.hasPrefix(key.prefix(4)) }
        return CommandRefusal(
            "\(path): \"\(key)\" is not a setting"
                + (near.isEmpty ? "" : ", did you mean \(near.joined(separator: ", "))?")
                + ". apiary check-config --defaults shows all.")
    }

    private static func written(_ node: Node, at place: String) throws -> WrittenValue {
        switch node {
        case .scalar(let scalar): return .scalar(scalar.string)
        case .sequence(let nodes): return .sequence(try nodes.map { try text($0, at: place) })
        case .mapping(let mapping):
            return .mapping(
                try mapping.map { key, node in
                    SettingEntry(name: try text(key, at: place), value: try text(node, at: place))
                })
        default: throw CommandRefusal("\(place) is an alias: write the value itself.")
        }
    }

    private static func text(_ node: Node, at place: String) throws -> String {
        guard let text = node.scalar?.string else {
            throw CommandRefusal("\(place) holds something that is no text or number.")
        }
        return text
    }
}
