import ObjectLoader
import Testing

@Suite struct WarmUpTests {
    @Test func `the object that warms a loader up is one that libbpf opens without a word`() {
        #expect(WarmUp.run())
        #expect(WarmUp.run())
    }
}
