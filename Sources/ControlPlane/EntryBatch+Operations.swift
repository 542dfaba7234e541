internal import JSON
internal import Problems

// Where the operations of a body stand; what is in them is read one by one.
extension EntryBatch {
    /// Those of a document, `{"update":[…],"lookup":[…],"delete":[…]}`.
    static func operations(_ body: Span<UInt8>) throws(JSONError) -> [Operation] {
        var operations: [Operation] = []
        for member in try JSONSlices.members(of: body) {
            let kind = try kind(member.name, member.value.lowerBound)
            let left = BatchOptions.limit - operations.count
            let elements = try JSONSlices.elements(of: body, in: member.value, limit: left)
            for (index, element) in elements.enumerated() {
                operations.append(Operation(kind: kind, index: index, text: element))
            }
        }
        return operations
    }

    /// That of a line, `{"update":{"key":1,"value":2}}`.
    /// - Parameter offset: of the line in the body, for the error.
    static func operation(_ line: Span<UInt8>, _ index: Int, at offset: Int) throws(JSONError)
        -> Operation
    {
        if let (kind, start) = opening(line) {
            var position = start
            // What is not spelt plainly is read again, and refused with the place.
            let value = try? JSONSlices.value(of: line, &position)
            PlainJSON.skipSpace(line, &position)
            if let value, PlainJSON.skip("}", line, &position) {
                PlainJSON.skipSpace(line, &position)
                if position == line.count {
                    return Operation(kind: kind, index: index, text: value, lineOffset: offset)
                }
            }
        }
        let members: [(name: String, value: Range<Int>)]
        do { members = try JSONSlices.members(of: line) } catch {
            throw JSONError(
                reason: "line \(index + 1): \(error.reason)", offset: offset + error.offset,
                pointer: error.pointer)
        }
        guard members.count == 1 else {
            throw JSONError(
                reason: "line \(index + 1): exactly one of update, lookup, delete is wanted",
                offset: offset, pointer: .root)
        }
        return Operation(
            kind: try kind(members[0].name, offset), index: index, text: members[0].value,
            lineOffset: offset)
    }

    /// The kind of a line that begins plainly, and where the value of its only member does.
    static func opening(_ line: Span<UInt8>) -> (kind: Kind, value: Int)? {
        var position = 0
        if PlainJSON.skip("{\"update\":", line, &position) { return (.update, position) }
        if PlainJSON.skip("{\"delete\":", line, &position) { return (.delete, position) }
        if PlainJSON.skip("{\"lookup\":", line, &position) { return (.lookup, position) }
        return nil
    }

    private static func kind(_ name: String, _ offset: Int) throws(JSONError) -> Kind {
        guard let kind = Kind.allCases.first(where: { $0.name == name }) else {
            throw JSONError(
                reason: "\"\(name)\" is not a member here: update, lookup, delete", offset: offset,
                pointer: .root)
        }
        return kind
    }
}
