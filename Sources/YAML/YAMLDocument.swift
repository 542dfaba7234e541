public import JSON
internal import Linux
internal import Synchronization
internal import Yams

/// Bounds on a YAML document that a client sends.
public struct YAMLLimits: Sendable {
    /// Of the text; libyaml copies it.
    public var sizeBytes = 16 << 20
    /// Mappings and sequences inside one another.
    public var depth = 64
    /// Values in the whole document, each use of an alias counted with all that it stands for.
    public var values = 1_000_000
    /// Characters that can begin a node: a bound on what libyaml makes before anything is counted.
    public var marks = 400_000

    public init() {}
}

/// Why a text is not an acceptable YAML document.
public struct YAMLError: Error, Sendable, Hashable {
    /// A clause for a person, with the line where it is known.
    public let reason: String
}

/// A YAML 1.2 document as the JSON that it says: plain scalars by the core schema (`yes` and `on`
/// are texts), mappings with texts for keys, no tags but `!!str`, no merge keys.
public enum YAMLDocument {
    /// Reads exactly one document. Blocks on a thread of its own: libyaml and its binding recurse.
    public static func parse(_ bytes: [UInt8], limits: YAMLLimits = YAMLLimits())
        throws(YAMLError) -> JSONValue
    {
        guard bytes.count <= limits.sizeBytes else {
            throw YAMLError(
                reason: "it has \(bytes.count) bytes, \(limits.sizeBytes) are allowed")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw YAMLError(reason: "it is not UTF-8")
        }
        try YAMLScan.check(bytes, limits)
        let outcome = Mutex<Result<JSONValue, YAMLError>?>(nil)
        let thread: NamedThread
        do {
            thread = try NamedThread("yaml", stackBytes: 64 << 20) {
                let result = read(text, limits)
                outcome.withLock { $0 = result }
            }
        } catch {
            throw YAMLError(reason: "no thread can be had to read it: \(error)")
        }
        thread.join()
        guard let result = outcome.withLock({ $0 }) else {
            throw YAMLError(reason: "it was not read")
        }
        return try result.get()
    }

    private static func read(_ text: String, _ limits: YAMLLimits) -> Result<JSONValue, YAMLError> {
        do {
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            guard let root = try parser.singleRoot() else {
                return .failure(YAMLError(reason: "it is empty"))
            }
            var reader = YAMLReader(limits)
            return .success(try reader.value(root))
        } catch let error as YAMLError {
            return .failure(error)
        } catch let error as YamlError {
            return .failure(YAMLError(reason: reason(error)))
        } catch {
            return .failure(YAMLError(reason: "it is not YAML"))
        }
    }

    private static func reason(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(problem), at line \(mark.line), column \(mark.column)"
        case .duplicatedKeysInMapping(let keys, let context):
            "a second member named \(keys.joined(separator: ", ")), at line "
                + "\(context.mark.line)"
        case .reader(let problem, let offset, _, _):
            problem + (offset.map { ", at byte \($0)" } ?? "")
        default: "it is not YAML"
        }
    }
}

/// Turns nodes into JSON and counts them.
private struct YAMLReader {
    private let limits: YAMLLimits
    private var valuesLeft: Int
    private var depth = 0

    init(_ limits: YAMLLimits) {
        self.limits = limits
        valuesLeft = limits.values
    }

    mutating func value(_ node: Node) throws(YAMLError) -> JSONValue {
        valuesLeft -= 1
        guard valuesLeft >= 0 else {
            throw YAMLError(
                reason: "it has more than \(limits.values) values, aliases taken as what they "
                    + "stand for")
        }
        switch node {
        case .scalar(let scalar): return try YAMLScalar.value(scalar)
        case .sequence(let sequence):
            try check(sequence.tag.rawValue, "seq", sequence.mark)
            try enter(sequence.mark)
            defer { depth -= 1 }
            var elements: [JSONValue] = []
            for element in sequence { elements.append(try value(element)) }
            return .array(elements)
        case .mapping(let mapping):
            try check(mapping.tag.rawValue, "map", mapping.mark)
            try enter(mapping.mark)
            defer { depth -= 1 }
            return .object(try object(mapping))
        case .alias:
            throw YAMLError(reason: "an alias stands for nothing")
        }
    }

    private mutating func object(_ mapping: Node.Mapping) throws(YAMLError) -> JSONObject {
        // Looked up once here: JSONObject looks through all its members for each new one.
        var names: Set<String> = []
        var members: [JSONObject.Member] = []
        for (key, content) in mapping {
            guard let name = key.scalar?.string else {
                throw YAMLError(
                    reason: "a key that is no text" + YAMLScalar.place(key.mark))
            }
            guard name != "<<" else {
                throw YAMLError(reason: "merge keys are not taken" + YAMLScalar.place(key.mark))
            }
            guard names.insert(name).inserted else {
                throw YAMLError(
                    reason: "a second member named \(name)" + YAMLScalar.place(key.mark))
            }
            members.append(JSONObject.Member(name: name, value: try value(content)))
        }
        return JSONObject(distinct: members)
    }

    private mutating func enter(_ mark: Mark?) throws(YAMLError) {
        depth += 1
        guard depth <= limits.depth else {
            throw YAMLError(
                reason: "it is nested deeper than \(limits.depth)" + YAMLScalar.place(mark))
        }
    }

    private func check(_ tag: String, _ known: String, _ mark: Mark?) throws(YAMLError) {
        guard ["", "!", "tag:yaml.org,2002:\(known)"].contains(tag) else {
            throw YAMLError(reason: "the tag \(tag) is not taken" + YAMLScalar.place(mark))
        }
    }
}
