internal import BTF

extension EventStreams {
    /// Holds a query against the types of the streams that it selects.
    /// - Throws: a type, a filter or a field that none of them has.
    func prepared(_ query: StreamQuery, _ streams: [EventStream]) throws(SubscribeError)
        -> StreamQuery
    {
        var query = query
        let types = streams.flatMap(\.knownSchemas).flatMap(\.types)
        let wanted = types.filter { query.type == nil || $0.name == query.type }
        try checkType(query, types)
        if let filter = query.filter { try check(filter, wanted, hasStreams: !streams.isEmpty) }
        try check(fields: query.fields, wanted)
        if query.format == .csv { query.columns = columns(query, wanted) }
        return query
    }

    /// Of a program that is named, a misspelt type would wait for ever; without, it may be one of a
    /// program to come. Of untyped streams nothing can be said.
    private func checkType(_ query: StreamQuery, _ types: [RecordType]) throws(SubscribeError) {
        guard let type = query.type, query.program != nil, !types.isEmpty else { return }
        guard !types.contains(where: { $0.name == type }) else { return }
        throw .unknownType(type, known: Set(types.map(\.name)).sorted())
    }

    /// Whether each field is in one of the types; of none nothing can be said.
    private func check(fields: [String], _ types: [RecordType]) throws(SubscribeError) {
        guard !types.isEmpty else { return }
        let most = ValuePlan.mostElementsBefore
        var (position, elementsBefore) = (1, 0)
        for field in fields {
            var failure: MemberPathError?
            var isFound = false
            for type in types where !isFound {
                do {
                    _ = try type.plan.find(field)
                    isFound = true
                    elementsBefore += type.plan.elementsBefore(field)
                } catch {
                    // The type that has more of the path says what is wrong with it.
                    if error.offset > failure?.offset ?? -1 { failure = error }
                }
            }
            if !isFound, let failure {
                throw .unknownField(field, reason: failure.reason, position: position)
            }
            guard elementsBefore <= most else {
                throw .unknownField(
                    field, reason: "more than \(most) elements before it", position: position)
            }
            position += field.utf8.count + 1
        }
    }

    private func check(_ filter: Filter, _ types: [RecordType], hasStreams: Bool)
        throws(SubscribeError)
    {
        var failure: FilterError?
        for type in types {
            do {
                _ = try FilterProgram(filter, type)
                return
            } catch {
                // Of types of which some lack the member, one that has it tells what is wrong.
                if failure == nil || failure?.isUnknownMember == true && !error.isUnknownMember {
                    failure = error
                }
            }
        }
        if failure == nil, hasStreams {
            failure = FilterError(
                reason: "the records have no declared type with members", position: 1)
        }
        if let failure { throw .invalidFilter(failure) }
    }

    /// Members of the types in their order, those that several have once, or the fields that are
    /// wanted; without these then what a record is of which the type is not known, be it that it
    /// came before that was declared.
    private func columns(_ query: StreamQuery, _ types: [RecordType]) -> [String] {
        if query.records == .invalid { return ["invalid", "data"] }
        var columns: [String] = []
        for type in types {
            let own = query.fields.isEmpty ? type.plan.columns : query.fields
            for column in own where !columns.contains(column) { columns.append(column) }
        }
        if columns.isEmpty || query.fields.isEmpty && !columns.contains("data") {
            columns.append("data")
        }
        return columns
    }
}
