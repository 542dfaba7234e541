import BPF
import BTF
import Linux
import Testing

@Suite struct BPFKernelTypesTests {
    @Test func `a map's types come from the kernel`() throws {
        let map = try BPFObject("maps").map("table")
        let types = try KernelTypes.types(id: map.info.btfID)
        #expect(types.spelling(of: map.info.btfKeyType) == "__u32")
        #expect(types.size(of: map.info.btfKeyType) == 4)
        #expect(types.size(of: map.info.btfValueType) == 8)
    }

    @Test func `the variables of a data section are found`() throws {
        let map = try BPFObject("ring").map("ring_bss")
        let types = try KernelTypes.types(id: map.info.btfID)
        #expect(types.variables(in: ".bss").map(\.name) == ["next", "last"])
    }

    @Test func `the kernel's own types are parsed once`() throws {
        let types = try KernelTypes.vmlinux()
        #expect(try KernelTypes.vmlinux() === types)
        let task = try #require(types.find("task_struct", .structure))
        #expect((types.size(of: task) ?? 0) > 1000)
        #expect(types.find("btf_trace_sys_enter", .typedef) != nil)
    }

    @Test func `an id that is not there is ENOENT`() {
        let error = #expect(throws: BPFError.self) { _ = try KernelTypes.types(id: 0x7fff_ffff) }
        #expect(error?.errno == .enoent)
    }
}
