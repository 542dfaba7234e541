import Linux
import Testing

@Suite struct LineBudgetTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func `in ten seconds so many lines pass, and the next tells how many did not`() {
        var budget = LineBudget(limit: 3)
        let start = 7 * Self.second
        #expect((0..<3).map { budget.admit(now: start + $0) } == [0, 0, 0])
        #expect(budget.admit(now: start + Self.second) == nil)
        #expect(budget.admit(now: start + 10 * Self.second) == nil)
        #expect(budget.admit(now: start + 10 * Self.second + 1) == 2)
        #expect(budget.admit(now: start + 10 * Self.second + 2) == 0)
    }

    @Test func `the ten seconds begin with the first line, however long it was quiet before`() {
        var budget = LineBudget(limit: 1)
        #expect(budget.admit(now: 1) == 0)
        #expect(budget.admit(now: 100 * Self.second) == 0)
        #expect(budget.admit(now: 109 * Self.second) == nil)
        #expect(budget.admit(now: 111 * Self.second) == 1)
    }

    @Test func `a thread that looked at the clock before another did may come after it`() {
        var budget = LineBudget(limit: 2)
        #expect(budget.admit(now: 20 * Self.second) == 0)
        #expect(budget.admit(now: 20 * Self.second - 1) == 0)
        #expect(budget.admit(now: 20 * Self.second - 2) == nil)
        #expect(budget.admit(now: 30 * Self.second + 1) == 1)
    }
}
