import Testing

@testable import ControlPlane

@Suite struct LookoutMemoryTests {
    @Test func `what is not come by any more is forgotten, what is stays known`() {
        var memory = LookoutMemory()
        memory.note("/bpf/gone/map", 1)
        memory.note("/bpf/here/map", 2)
        memory.retries = ["gone": (at: 1, pause: 1), "here": (at: 2, pause: 2)]
        for _ in 0..<3 {
            memory.begin { $0 == "here" }
            let isKnown = memory.knows("/bpf/here/map", 2)
            #expect(isKnown)
        }
        let isForgotten = !memory.knows("/bpf/gone/map", 1)
        #expect(isForgotten)
        #expect(memory.retries.keys.sorted() == ["here"])
        let isTaken = memory.knows("/bpf/here/map", 3)
        #expect(!isTaken)
    }
}
