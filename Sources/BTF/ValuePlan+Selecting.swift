internal import JSON

// Parts of a value: what a client asked for of it, and the columns of a table.
extension ValuePlan {
    /// The plan that shows only the members at these paths (`pid`, `task.comm`), in their order;
    /// a struct that is named is shown whole. Paths that the type does not have are left out.
    /// - Returns: `nil` where it has none of them, or is no struct.
    public func selecting(_ paths: [String]) -> ValuePlan? {
        var layout = compiled.layout
        let steps = paths.map { $0.split(separator: ".").map(String.init) }
        guard let root = layout.select(layout.root, steps) else { return nil }
        layout.root = root
        return ValuePlan(layout)
    }

    /// The paths of what a table has a column for: all members, those of structs in structs by
    /// their path; arrays and unions are one column.
    public var columns: [String] {
        var columns: [String] = []
        collect(compiled.layout.root, "", &columns)
        return columns
    }

    private func collect(_ index: Int, _ prefix: String, _ columns: inout [String]) {
        let layout = compiled.layout
        guard case .composite(let number) = layout.nodes[index].shape else { return }
        for field in layout.composites[number].fields {
            let path = prefix + field.name
            if case .composite(let inner) = layout.nodes[field.node].shape,
                !layout.composites[inner].isUnion, columns.count < 1024
            {
                collect(field.node, path + ".", &columns)
            } else {
                columns.append(path)
            }
        }
    }

    /// Bytes that `selecting([path])` puts before and behind the one value: `{"a":{"b":` and `}}`.
    public static func frame(of path: String) -> (before: Int, behind: Int) {
        let names = path.split(separator: ".")
        let before = names.reduce(0) { $0 + quoted(String($1)).count + 2 }
        return (before, names.count)
    }
}

extension ValueLayout {
    /// A copy of a struct's node that has only the members at these paths.
    fileprivate mutating func select(_ index: Int, _ paths: [[String]]) -> Int? {
        let node = nodes[index]
        guard case .composite(let number) = node.shape else { return nil }
        let composite = composites[number]
        var fields: [ValueField] = []
        var taken: Set<String> = []
        for path in paths {
            guard let name = path.first, let place = composite.index[name],
                taken.insert(name).inserted
            else { continue }
            let field = composite.fields[place]
            let mine = paths.filter { $0.first == name }.map { Array($0.dropFirst()) }
            if mine.contains(where: \.isEmpty) {
                fields.append(field)
            } else if field.bits == nil, let inner = select(field.node, mine) {
                fields.append(
                    ValueField(
                        name: name, node: inner, offset: field.offset, bits: nil,
                        choices: field.choices, isFlexible: field.isFlexible))
            }
        }
        guard !fields.isEmpty else { return nil }
        let names = Dictionary(
            uniqueKeysWithValues: fields.enumerated().map { ($0.element.name, $0.offset) })
        composites.append(
            ValueComposite(
                fields: fields, index: names, isUnion: composite.isUnion, gaps: []))
        nodes.append(
            ValueNode(
                shape: .composite(composites.count - 1), size: node.size, type: node.type,
                textSize: node.textSize, operationCount: node.operationCount,
                isFlexible: fields.contains(where: \.isFlexible)))
        return nodes.count - 1
    }
}
