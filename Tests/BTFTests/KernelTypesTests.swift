import BTF
import Glibc
import JSON
import Testing

/// The running kernel's own types, where they can be read.
private let kernelBTF: [UInt8]? = {
    let descriptor = unsafe open("/sys/kernel/btf/vmlinux", O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = unsafe read(descriptor, &piece, piece.count)
        guard count > 0 else { return bytes }
        bytes += piece[..<count]
    }
}()

@Suite(.enabled(if: kernelBTF != nil, "/sys/kernel/btf/vmlinux cannot be read"))
struct KernelTypesTests {
    private static let parsed = Result { () throws(BTFError) in
        try BTFTypes(parsing: kernelBTF ?? [])
    }
    let types: BTFTypes

    init() throws { types = try Self.parsed.get() }

    @Test func `task_struct is found and shown`() throws {
        let id = try #require(types.find("task_struct", .structure))
        #expect(types.spelling(of: id) == "struct task_struct")
        let members = types.members(of: id)
        #expect(members.contains { $0.name == "pid" && types.size(of: $0.type) == 4 })
        let plan = try ValuePlan(types, type: id)
        #expect(plan.size == types.size(of: id))
        let pattern = (0..<plan.size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let shown = try JSONValue.parse(plan.text(pattern))
        let pid = try #require(plan.member(named: "pid"))
        #expect(shown["pid"]?.number?.int128 == plan.integer(pid, in: pattern.span))
        #expect(try plan.encode([:]) == [UInt8](repeating: 0, count: plan.size))
    }

    @Test func `every struct of the kernel's own has a plan and shows as sound JSON`() throws {
        var count = 0
        // Each seventh, so that a debug build needs no minute.
        for id in stride(from: BTFTypes.ID(1), to: BTFTypes.ID(types.count), by: 7) {
            let kind = types.kind(of: id)
            guard kind == .structure || kind == .union, types.size(of: id) ?? 0 < 4096 else {
                continue
            }
            let plan = try ValuePlan(types, type: id)
            let pattern = (0..<plan.size).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ 1) }
            let text = plan.text(pattern)
            #expect(throws: Never.self, "\(plan.typeName)") { try JSONValue.parse(text) }
            count += 1
        }
        #expect(count > 100)
    }

    @Test func `a syscall's enumerators and a function's prototype are there`() throws {
        let map = try #require(types.find("bpf_map_type", .enumeration))
        #expect(types.enumerators(of: map).first { $0.name == "BPF_MAP_TYPE_RINGBUF" }?.value == 27)
        let function = try #require(types.find("tcp_connect", .function))
        let parameter = try #require(types.prototype(of: function)?.parameters.first)
        #expect(types.spelling(of: parameter.type) == "struct sock *")
    }
}
