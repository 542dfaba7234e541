import Linux
import Synchronization
import Testing

@testable import Events

/// Programs that write into one ring are one stream.
struct SharedStreamTests {
    let directory: TestDirectory
    let streams: EventStreams
    let ring: MemoryRing

    init() throws {
        directory = try TestDirectory()
        streams = try EventStreams(directory: directory.path + "/journal", limits: JournalLimits())
        ring = try MemoryRing()
        try streams.open(opens, source: ring, type: nil, lostCounter: MemoryCounter(ring: ring))
        try streams.open(execs, source: ring, type: nil, lostCounter: MemoryCounter(ring: ring))
    }

    @Test func `both names find the one stream`() throws {
        defer { streams.stop() }
        ring.put(1)
        try streams.settle(opens, 2)
        for program in ["opens", "execs"] {
            let client = try streams.client {
                $0.program = program
                $0.follow = false
            }
            let events = try client.lines().filter { $0.kind == "event" }
            #expect(events.map(\.number) == [1])
            #expect(events.first?.json["program"] == "opens")
        }
        let ledger = streams.ledger()
        #expect(ledger.count == 1)
        #expect(ledger[0].key == opens && ledger[0].sharedWith == [execs])
        #expect(streams.keys(of: "execs") == [opens])
    }

    @Test func `it goes on until the last of them is gone`() throws {
        defer { streams.stop() }
        let client = try streams.client { $0.program = "execs" }
        streams.close(program: "opens", reason: .programDeleted)
        ring.put(1)
        #expect(try client.lines(2).last?.number == 1)
        #expect(streams.ledger()[0].isOpen)
        streams.close(program: "execs", reason: .programDeleted)
        #expect(try client.lines().last?.reason == "program_deleted")
        #expect(!streams.ledger()[0].isOpen)
    }

    @Test func `it goes on under its name after a restart that its owner did not see`() throws {
        streams.close(program: "opens", reason: .programDeleted)
        ring.put(1)
        try streams.settle(opens, 2)
        streams.stop()
        ring.put(2)
        let second = try EventStreams(
            directory: directory.path + "/journal", limits: JournalLimits())
        defer { second.stop() }
        try second.open(execs, source: ring, type: nil, lostCounter: MemoryCounter(ring: ring))
        try second.settle(opens, 3)
        let client = try second.client {
            $0.program = "execs"
            $0.follow = false
        }
        #expect(try client.lines().filter { $0.kind == "event" }.map(\.number) == [1, 2])
        #expect(second.ledger().map(\.key) == [opens])
        // Another program of the owner's name has a ring of its own: both are read.
        let next = try MemoryRing(id: 8)
        try second.open(opens, source: next, type: nil, lostCounter: MemoryCounter(ring: next))
        ring.put(3)
        next.put(4)
        try second.settle(opens, 4)
        try second.settle(execs, 2)
        #expect(second.ledger().map(\.key) == [execs, opens])
    }

    @Test func `who stays with a ring that its owner has left goes on under its own name`() throws {
        defer { streams.stop() }
        ring.put(1)
        try streams.settle(opens, 2)
        let next = try MemoryRing(id: 8)
        try streams.open(opens, source: next, type: nil, lostCounter: MemoryCounter(ring: next))
        ring.put(2)
        next.put(3)
        try streams.settle(opens, 3)
        try streams.settle(execs, 2)
        let client = try streams.client {
            $0.program = "execs"
            $0.follow = false
        }
        #expect(try client.lines().filter { $0.kind == "event" }.map(\.number) == [2])
        #expect(streams.ledger().map(\.key) == [execs, opens])
    }

    /// Two programs that come to one ring at once: the second is opened, or waits, whenever the
    /// first asks which ring it is.
    @Test func `of two that come at once the first to come is the owner, with its own type`() throws
    {
        defer { streams.stop() }
        let streams = streams
        let (one, other) = (try MemoryRing(id: 9), try MemoryRing(id: 9))
        let (third, fourth) = (
            StreamKey(program: "third", map: "events"), StreamKey(program: "fourth", map: "events")
        )
        let asks = Atomic(0)
        let threads = Mutex<[NamedThread]>([])
        let isOpened = Atomic(false)
        one.asked.withLock { asked in
            asked = {
                // After the first look at what is shared.
                guard asks.add(1, ordering: .relaxed).newValue == 2 else { return }
                let thread = try? NamedThread("fourth") {
                    try? streams.open(
                        fourth, source: other, type: .untyped(8, name: "fourth"), lostCounter: nil)
                    isOpened.store(true, ordering: .releasing)
                }
                threads.withLock { $0 += [thread].compactMap(\.self) }
                let end = Clock.monotonicNanoseconds() + 300_000_000
                while !isOpened.load(ordering: .acquiring), Clock.nanosecondsLeft(until: end) > 0 {
                    Clock.sleep(nanoseconds: 1_000_000)
                }
            }
        }
        try streams.open(third, source: one, type: .untyped(8, name: "third"), lostCounter: nil)
        for thread in threads.withLock({ $0 }) { thread.join() }
        let stream = try #require(streams.journal.streams.first { $0.key != opens })
        let type = stream.state.withLock { $0.schema?.types.first?.name }
        #expect(type == stream.key.program)
        #expect(streams.ledger().map(\.key).sorted() == [opens, stream.key].sorted())
    }

    @Test(arguments: [opens, execs])
    func `what a program lost before it was replaced and kept the ring stays counted`(
        _ key: StreamKey
    ) throws {
        defer { streams.stop() }
        ring.lose(40)
        ring.put(1)
        // Each of the two counts all of the ring's.
        try streams.settle(opens, 82)
        #expect(streams.ledger().first?.lostInKernel == 80)
        let replaced = FreshCounter()
        try streams.open(key, source: ring, type: nil, lostCounter: replaced)
        replaced.count.store(3, ordering: .relaxed)
        streams.close(opens, reason: .programDeleted)
        streams.close(execs, reason: .programDeleted)
        #expect(streams.ledger().first?.lostInKernel == 83)
    }
}

/// The counter of a program that was loaded anew.
private final class FreshCounter: LostCounter {
    let count = Atomic<UInt64>(0)
    func lostRecords() -> UInt64? { count.load(ordering: .relaxed) }
}
