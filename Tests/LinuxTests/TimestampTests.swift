import Linux
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (951_827_696_123_456_789, "2000-02-29T12:34:56.123456789Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_709_251_200_000_000_000, "2024-03-01T00:00:00.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
            (UInt64.max, "2554-07-21T23:34:33.709551615Z"),
        ] as [(UInt64, String)])
    func `a time as text`(nanoseconds: UInt64, text: String) {
        let time = Timestamp(nanoseconds: nanoseconds)
        #expect(time.description == text)
        #expect(time.utf8.count == 30)
    }

    @Test func `the monotonic clock goes on while the thread sleeps`() {
        let begin = Clock.monotonicNanoseconds()
        Clock.sleep(nanoseconds: 2_000_000)
        #expect(Clock.monotonicNanoseconds() - begin >= 2_000_000)
    }

    @Test func `of a deadline that is over nothing is left`() {
        let now = Clock.monotonicNanoseconds()
        #expect(Clock.nanosecondsLeft(until: now) == 0)
        #expect(Clock.nanosecondsLeft(until: 0) == 0)
        let left = Clock.nanosecondsLeft(until: now + 60_000_000_000)
        #expect(left > 0 && left <= 60_000_000_000)
    }

    @Test func `the boot has an identity that stays`() throws {
        #expect(try Clock.bootID().utf8.count == 36)
        #expect(try Clock.bootID() == Clock.bootID())
    }
}
