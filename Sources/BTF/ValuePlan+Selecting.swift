internal import JSON

// Parts of a value: what a client asked for of it, and the columns of a table.
extension ValuePlan {
    /// The plan that shows only the members at these paths (`pid`, `task.comm`, `in[1].x`): those
    /// of a struct in the order of the paths; what is named is shown whole, and where it stands in
    /// the whole value: of an array, `null` in place of the elements before one that is shown. Of
    /// a flexible array those that a value has. Paths that the type does not have are left out, and
    /// those that take the elements before what is shown beyond `mostElementsBefore`.
    /// - Returns: `nil` where it has none of them.
    public func selecting(_ paths: [String]) -> ValuePlan? {
        var layout = compiled.layout
        var before = 0
        let chosen = paths.compactMap { path -> ArraySlice<ValueLayout.Step>? in
            guard let steps = steps(to: path) else { return nil }
            let own = Self.elementsBefore(steps)
            guard before + own <= Self.mostElementsBefore else { return nil }
            before += own
            return steps[...]
        }
        guard !chosen.isEmpty else { return nil }
        layout.root = layout.select(layout.root, chosen)
        return ValuePlan(layout, leastSize: leastSize)
    }

    private func steps(to path: String) -> [ValueLayout.Step]? {
        let (found, rest) = compiled.layout.follow(path, inTail: true)
        return rest.isEmpty && !found.steps.isEmpty ? found.steps : nil
    }

    /// Each is a `null` in every line.
    public static let mostElementsBefore = 4096

    /// How many elements `selecting` leaves out in front of those that a path names.
    public func elementsBefore(_ path: String) -> Int {
        Self.elementsBefore(steps(to: path) ?? [])
    }

    private static func elementsBefore(_ steps: [ValueLayout.Step]) -> Int {
        steps.reduce(0) { count, step in
            if case .element(let index) = step { count + index } else { count }
        }
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

    /// Bytes that `selecting([path])` puts before and behind the one value: `{"a":[null,` and `]}`.
    public func frame(of path: String) -> (before: Int, behind: Int) {
        let layout = compiled.layout
        var (node, before) = (layout.root, 0)
        let steps = steps(to: path) ?? []
        for step in steps {
            switch (step, layout.nodes[node].shape) {
            case (.member(let place), .composite(let number)):
                let field = layout.composites[number].fields[place]
                before += quoted(field.name).count + 2
                node = field.node
            case (.element(let index), .array(let element, _)):
                before += 1 + index * 5
                node = element
            default: break
            }
        }
        return (before, steps.count)
    }
}

extension ValuePlan {
    /// The flexible array, or the alternatives of a union that are such, that `render` shows the
    /// bytes behind `leastSize` as.
    public struct Tail: Sendable {
        fileprivate let arrays: [(offset: Int, stride: Int)]

        /// How many of a value's bytes are shown: those behind the last whole element are not.
        public func shownCount(of count: Int) -> Int {
            arrays.reduce(0) { shown, array in
                let whole = array.stride == 0 ? 0 : (count - array.offset) / array.stride
                return max(shown, array.offset + whole * array.stride)
            }
        }
    }

    /// `nil` of types of a fixed size.
    public var tail: Tail? {
        var arrays: [(offset: Int, stride: Int)] = []
        compiled.layout.collectTails(compiled.layout.root, at: 0, into: &arrays)
        return arrays.isEmpty ? nil : Tail(arrays: arrays)
    }
}

extension ValueLayout {
    fileprivate func collectTails(
        _ index: Int, at offset: Int, into arrays: inout [(offset: Int, stride: Int)]
    ) {
        let node = nodes[index]
        guard node.isFlexible else { return }
        switch node.shape {
        case .composite(let number):
            for field in composites[number].fields where field.isFlexible {
                collectTails(field.node, at: offset + field.offset, into: &arrays)
            }
        case .array(let element, _): arrays.append((offset, nodes[element].size))
        // Text and bytes.
        default: arrays.append((offset, 1))
        }
    }

    /// A copy of a struct's or an array's node that has only what lies at these paths; the node
    /// itself where one of them ends here.
    fileprivate mutating func select(_ index: Int, _ paths: [ArraySlice<Step>]) -> Int {
        let node = nodes[index]
        if paths.contains(where: \.isEmpty) { return index }
        var order: [Step] = []
        var groups: [Step: [ArraySlice<Step>]] = [:]
        for path in paths {
            guard let first = path.first else { continue }
            if groups[first] == nil { order.append(first) }
            groups[first, default: []].append(path.dropFirst())
        }
        let shape: ValueNode.Shape
        var operationCount = 4
        switch node.shape {
        case .composite(let number):
            var fields: [ValueField] = []
            for case .member(let place) in order {
                var field = composites[number].fields[place]
                field.node = select(field.node, groups[.member(place)] ?? [])
                fields.append(field)
                operationCount += nodes[field.node].operationCount
            }
            let names = Dictionary(
                uniqueKeysWithValues: fields.enumerated().map { ($0.element.name, $0.offset) })
            composites.append(
                ValueComposite(
                    fields: fields, index: names, isUnion: composites[number].isUnion, gaps: []))
            shape = .composite(composites.count - 1)
        case .array(let element, _):
            var elements: [ValueElement] = []
            for case .element(let index) in order {
                let chosen = select(element, groups[.element(index)] ?? [])
                elements.append(ValueElement(index: index, node: chosen))
                operationCount += nodes[chosen].operationCount
            }
            elements.sort { $0.index < $1.index }
            shape = .elements(elements, stride: nodes[element].size)
        default: return index
        }
        nodes.append(
            ValueNode(
                shape: shape, size: node.size, type: node.type, textSize: node.textSize,
                operationCount: operationCount, isFlexible: node.isFlexible))
        return nodes.count - 1
    }

    /// Bytes that a value has at least: those before its flexible array, where it ends in one. The
    /// padding of the struct behind its last member is not among them: C programs send records
    /// without it.
    func leastSize(_ index: Int) -> Int {
        let node = nodes[index]
        guard node.isFlexible, case .composite(let number) = node.shape else { return node.size }
        return composites[number].fields.reduce(0) { least, field in
            if field.isFlexible { return max(least, field.offset + leastSize(field.node)) }
            let end =
                field.bits.map { ($0.offset + $0.size + 7) / 8 }
                ?? field.offset + nodes[field.node].size
            return max(least, end)
        }
    }
}
