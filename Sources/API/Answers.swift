internal import ControlPlane
internal import JSON
internal import Linux
internal import Problems

extension Answer {
    static func json(
        _ value: JSONValue, status: Int = 200, int64: Int64Style = .number,
        headers: [(name: String, value: String)] = []
    ) -> Answer {
        Answer(
            status: status, headers: headers,
            body: .json(value.serialized(int64: int64) + [UInt8(ascii: "\n")]))
    }

    static let noContent = Answer(status: 204)

    /// A resource with its revision as ETag; 304 where the client has that one.
    static func resource(_ value: JSONObject, revision: Int64, _ call: Call) throws(Problem)
        -> Answer
    {
        let tag = EntityTag(revision)
        if let copy = try unchanged(since: tag, call) { return copy }
        return .json(.object(value), int64: try call.int64, headers: [tag.header])
    }

    /// What a change answers: the whole resource, and whether anything changed.
    static func change(
        _ value: JSONObject, revision: Int64, changed: Bool, created: Bool, at path: String,
        _ call: Call
    ) throws(Problem) -> Answer {
        var value = value
        value["changed"] = .bool(changed)
        if try call.isDryRun { value["dry_run"] = true }
        var headers = [EntityTag(revision).header]
        if created { headers.append((name: "Location", value: path)) }
        return .json(
            .object(value), status: created ? 201 : 200, int64: try call.int64, headers: headers)
    }

    /// A page of `all`, which is sorted by `key`: the cursor is the last key, as hex.
    static func page<Item>(
        of all: [Item], by key: (Item) -> String, _ call: Call,
        _ document: (Item) throws(Problem) -> JSONObject
    ) throws(Problem) -> Answer {
        let limit = try call.number("limit", in: 1...1000) ?? 100
        let after = try call.parameter("cursor").map(PageCursor.key)
        let rest = after.map { after in all.filter { key($0) > after } } ?? all
        var items: [JSONValue] = []
        for item in rest.prefix(limit) { items.append(.object(try document(item))) }
        let next = rest.count > limit ? PageCursor.text(key(rest[limit - 1])) : nil
        return .json(
            list(items, next, JSONValue.string(String(call.revision))), int64: try call.int64)
    }

    static func list(_ items: [JSONValue], _ nextCursor: String?, _ revision: JSONValue)
        -> JSONValue
    {
        ["items": .array(items), "next_cursor": JSONValue(nextCursor), "revision": revision]
    }
}

/// The cursor of a page of a list: the last key that was shown, in a form that invites no guessing.
enum PageCursor {
    static func text(_ key: String) -> String {
        key.utf8.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    static func key(_ text: String) throws(Problem) -> String {
        var bytes: [UInt8] = []
        var rest = text[...]
        while rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        guard rest.isEmpty, !bytes.isEmpty, let key = String(validating: bytes, as: UTF8.self)
        else {
            throw Problem(.invalidCursor, "\"\(text)\" is not a next_cursor of this list.")
        }
        return key
    }
}

extension Timestamp {
    var json: JSONValue { .string(description) }
}

/// Labels with sorted names.
func labelsDocument(_ labels: [String: String]) -> JSONValue {
    var document = JSONObject()
    for (name, value) in labels.sorted(by: { $0.key < $1.key }) { document[name] = .string(value) }
    return .object(document)
}

/// Whether a resource has all labels that a list was asked for.
func matches(_ labels: [String: String], _ wanted: [String: String]) -> Bool {
    wanted.allSatisfy { labels[$0.key] == $0.value }
}
