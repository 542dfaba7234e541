internal import Yams

/// Why the contract's YAML cannot become JSON.
struct ContractError: Error, CustomStringConvertible {
    let description: String
}

/// The contract as JSON: compact, members in the order of the YAML, so that the same YAML always
/// gives the same bytes.
///
/// Scalars are read by YAML 1.2's core rules: only `true`, `false`, `null` and decimal integers are
/// not strings. A plain `0.5` or `yes` is refused rather than guessed at.
func contractJSON(fromYAML yaml: String) throws -> String {
    guard let root = try Yams.compose(yaml: yaml) else {
        throw ContractError(description: "the contract is empty")
    }
    var json = ""
    try append(root, to: &json)
    return json + "\n"
}

private func append(_ node: Node, to json: inout String) throws {
    switch node {
    case .scalar(let scalar):
        try append(scalar, to: &json)
    case .sequence(let sequence):
        json += "["
        for (index, element) in sequence.enumerated() {
            if index > 0 { json += "," }
            try append(element, to: &json)
        }
        json += "]"
    case .mapping(let mapping):
        json += "{"
        for (index, member) in try members(of: mapping).enumerated() {
            if index > 0 { json += "," }
            appendString(member.name, to: &json)
            json += ":"
            try append(member.value, to: &json)
        }
        json += "}"
    case .alias(let alias):
        throw ContractError(description: "the alias \(alias.anchor) is not resolved")
    }
}

/// The members in order, with what `<<` brings in its place, unless it stands here too.
private func members(of mapping: Node.Mapping) throws -> [(name: String, value: Node)] {
    var result: [(name: String, value: Node)] = []
    let own = Set(mapping.keys.compactMap(\.scalar?.string))
    for (key, value) in mapping {
        guard let name = key.scalar?.string else {
            throw ContractError(description: "a member's name is not a string")
        }
        let added: [(name: String, value: Node)]
        if name == "<<" {
            guard let merged = value.mapping else {
                throw ContractError(description: "<< takes one mapping")
            }
            added = try members(of: merged).filter { !own.contains($0.name) }
        } else {
            added = [(name, value)]
        }
        for member in added {
            if result.contains(where: { $0.name == member.name }) {
                throw ContractError(description: "a second member \(member.name)")
            }
            result.append(member)
        }
    }
    return result
}

private func append(_ scalar: Node.Scalar, to json: inout String) throws {
    let text = scalar.string
    guard scalar.style == .plain || scalar.style == .any else {
        return appendString(text, to: &json)
    }
    let isInteger = text.wholeMatch(of: /-?(0|[1-9][0-9]*)/) != nil
    if isInteger || ["true", "false", "null"].contains(text) {
        json += text
        return
    }
    let isDoubtful = ["yes", "no", "on", "off", "~", "", ".nan", ".inf"].contains(text.lowercased())
    if isDoubtful || Double(text) != nil {
        throw ContractError(description: "quote the plain scalar `\(text)`")
    }
    appendString(text, to: &json)
}

private func appendString(_ text: String, to json: inout String) {
    json += "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": json += "\\\""
        case "\\": json += "\\\\"
        case "\n": json += "\\n"
        case "\t": json += "\\t"
        case "\u{0}"..<"\u{20}":
            let digits = String(scalar.value, radix: 16)
            json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: json.unicodeScalars.append(scalar)
        }
    }
    json += "\""
}
