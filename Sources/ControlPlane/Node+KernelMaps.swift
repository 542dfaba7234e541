internal import BPF
internal import BTF
public import Problems

extension Node {
    /// A map of anybody's by the kernel's id; to read, never to write.
    /// - Throws: `not_found`.
    public func kernelMap(_ id: UInt32) throws(Problem) -> MapView {
        do throws(BPFError) {
            let map = try Map(id: id)
            let types = map.info.btfID == 0 ? nil : try KernelTypes.types(id: map.info.btfID)
            return MapView(loaded: LoadedMap(kernel: map, types: types), revision: 0)
        } catch {
            if error.errno == .enoent { throw Problem(.notFound, "The kernel has no map \(id).") }
            throw Problem(error, map: "\(id)", entries: 0, while: "open the entries")
        }
    }
}
