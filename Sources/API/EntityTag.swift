internal import Problems

/// The version of what an answer shows: RFC 9110, section 8.8.3.
struct EntityTag: Equatable, Sendable {
    /// As it stands in headers.
    let quoted: String

    init(_ version: some CustomStringConvertible) { quoted = "\"\(version)\"" }

    init(quoted: String) { self.quoted = quoted }

    var header: (name: String, value: String) { (name: "ETag", value: quoted) }

    /// What a condition names: quoted, separated by commas; weak ones compare like strong ones
    /// here.
    static func all(of condition: String) throws(Problem) -> [EntityTag] {
        var tags: [EntityTag] = []
        for part in condition.split(separator: ",") {
            var tag = part.drop { $0 == " " }
            while tag.last == " " { tag.removeLast() }
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            guard tag.count >= 2, tag.first == "\"", tag.last == "\"" else {
                throw Problem(
                    .malformedRequest, "\(part) is not an entity tag: quote it, If-Match: \"17\".")
            }
            tags.append(EntityTag(quoted: String(tag)))
        }
        guard !tags.isEmpty else {
            throw Problem(
                .malformedRequest, "The condition names no entity tag: If-Match: \"17\".")
        }
        return tags
    }

    /// Without the quotes.
    var version: String { String(quoted.dropFirst().dropLast()) }
}

extension Answer {
    /// 304 where the client has the version that it would be sent, by `If-None-Match`; else nil.
    static func unchanged(since tag: EntityTag, _ call: Call) throws(Problem) -> Answer? {
        guard let text = call.head.header("if-none-match") else { return nil }
        if text != "*" {
            guard try EntityTag.all(of: text).contains(tag) else { return nil }
        }
        return Answer(status: 304, headers: [tag.header])
    }
}
