/// The order in which programs are loaded: what another is loaded upon (a map of its, a target in
/// it) comes before the other.
enum LoadOrder {
    /// - Parameters:
    ///   - name: of an item; `needs`: the names of what it is loaded upon. What is not among the
    ///     items is not waited for.
    /// - Returns: the items as they came, but for that; those that need each other as they came.
    static func dependenciesFirst<Item>(
        _ items: [Item], name: (Item) -> String, needs: (Item) -> Set<String>
    ) -> [Item] {
        let names = Set(items.map(name))
        var done: Set<String> = []
        var ordered: [Item] = []
        var left = items.map { (item: $0, needs: needs($0).intersection(names)) }
        while !left.isEmpty {
            let next = left.filter { entry in
                done.isSuperset(of: entry.needs.subtracting([name(entry.item)]))
            }
            let taken = (next.isEmpty ? left : next).map(\.item)
            ordered += taken
            done.formUnion(taken.map(name))
            left.removeAll { done.contains(name($0.item)) }
        }
        return ordered
    }
}
