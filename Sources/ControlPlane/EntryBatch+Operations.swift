internal import JSON

// Where the operations of a document stand; what is in them is read one by one.
extension EntryBatch {
    static func operations(_ body: Span<UInt8>, isLines: Bool) throws(JSONError) -> [Operation] {
        if isLines {
            let lines = try JSONSlices.lines(of: body, limit: BatchOptions.limit)
            var operations: [Operation] = []
            operations.reserveCapacity(lines.count)
            for (index, line) in lines.enumerated() {
                operations.append(try operation(body, line, index))
            }
            return operations
        }
        var operations: [Operation] = []
        for member in try JSONSlices.members(of: body) {
            let kind = try kind(member.name, member.value.lowerBound)
            let left = BatchOptions.limit - operations.count
            let elements = try JSONSlices.elements(of: body, in: member.value, limit: left)
            for (index, element) in elements.enumerated() {
                operations.append(
                    Operation(kind: kind, index: index, text: element, isLine: false))
            }
        }
        return operations
    }

    private static func operation(_ body: Span<UInt8>, _ line: Range<Int>, _ index: Int)
        throws(JSONError) -> Operation
    {
        let members: [(name: String, value: Range<Int>)]
        do { members = try JSONSlices.members(of: body.extracting(line)) } catch {
            throw JSONError(
                reason: "line \(index + 1): \(error.reason)",
                offset: line.lowerBound + error.offset, pointer: error.pointer)
        }
        guard members.count == 1 else {
            throw JSONError(
                reason: "line \(index + 1): exactly one of update, lookup, delete is wanted",
                offset: line.lowerBound, pointer: .root)
        }
        let value = members[0].value
        return Operation(
            kind: try kind(members[0].name, line.lowerBound), index: index,
            text: value.lowerBound + line.lowerBound..<value.upperBound + line.lowerBound,
            isLine: true)
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
