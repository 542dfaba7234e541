import Linux
import Testing

@Suite struct StintTests {
    private static func isRunning(_ stint: Stint) -> Bool { stint.beganNanoseconds != nil }

    @Test func `it runs from the work's begin to its end, on the thread that does it`() throws {
        let stint = Stint()
        #expect(!Self.isRunning(stint))
        #expect(Stint.current == nil)
        stint.run {
            #expect(Self.isRunning(stint))
            #expect(Stint.current === stint)
            let other = try? NamedThread("stint-test") { #expect(Stint.current == nil) }
            #expect(other != nil)
            other?.join()
        }
        #expect(!Self.isRunning(stint))
        #expect(Stint.current == nil)
        #expect(!stint.isLonger(thanSeconds: 0))
    }

    @Test func `work inside of work has its own, and gives the outer one back`() {
        let (outer, inner) = (Stint(), Stint())
        outer.run {
            inner.run { #expect(Stint.current === inner) }
            #expect(!Self.isRunning(inner))
            #expect(Stint.current === outer)
            #expect(Self.isRunning(outer))
        }
    }

    @Test func `a step that is done counts the rest from then on`() throws {
        let stint = Stint()
        try stint.run {
            let first = try #require(stint.beganNanoseconds)
            while Clock.monotonicNanoseconds() == first {}
            #expect(stint.isLonger(thanSeconds: 0))
            Stint.current?.advance()
            #expect(try #require(stint.beganNanoseconds) > first)
        }
    }

    @Test func `a throw ends it too`() {
        let stint = Stint()
        #expect(throws: Errno.self) { try stint.run { throw Errno.eio } }
        #expect(!Self.isRunning(stint))
    }
}
