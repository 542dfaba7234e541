import BPF
import Linux
import Testing

@Suite struct BPFMapTests {
    let object: BPFObject

    init() throws { object = try BPFObject("maps") }

    @Test func `a pinned map tells what it is`() throws {
        let map = try object.map("table")
        #expect(map.info.type == .hash)
        #expect(map.info.name == "table")
        #expect(map.info.keySize == 4)
        #expect(map.info.valueSize == 8)
        #expect(map.info.maxEntries == 20000)
        #expect(map.lookupBytes == 8)
        #expect(map.holdsBTF)
        #expect(map.info.btfKeyType != 0)
        #expect(try Map(id: map.info.id).info.name == "table")
        #expect(try Inventory.mapIDs().contains(map.info.id))
        #expect((map.memoryBytes() ?? 0) > 4096)
    }

    @Test func `the pin of a program is not a map`() throws {
        let path = object.path(ofProgram: "touch")
        let error = #expect(throws: BPFError.self) { _ = try Map(pinned: path) }
        #expect(error?.errno == .einval)
        let other = #expect(throws: BPFError.self) {
            _ = try Program(pinned: object.path(ofMap: "row"))
        }
        #expect(other?.errno == .einval)
        let none = #expect(throws: BPFError.self) { _ = try Map(pinned: path + "_") }
        #expect(none?.errno == .enoent)
    }

    @Test func `an entry is created, read, replaced and deleted`() throws {
        let map = try object.map("table")
        let key = bytes(UInt32(7))
        #expect(try map.lookup(key.span) == nil)
        try map.update(key.span, bytes(UInt64(1)).span, .create)
        #expect(try map.lookup(key.span) == bytes(UInt64(1)))
        let exists = #expect(throws: BPFError.self) {
            try map.update(key.span, bytes(UInt64(2)).span, .create)
        }
        #expect(exists?.errno == .eexist)
        try map.update(key.span, bytes(UInt64(3)).span, .update)
        var value = [UInt8](repeating: 0xff, count: 8)
        var span = value.mutableSpan
        #expect(try map.lookup(key.span, into: &span))
        #expect(value == bytes(UInt64(3)))
        #expect(try map.delete(key.span))
        #expect(try !map.delete(key.span))
        let missing = #expect(throws: BPFError.self) {
            try map.update(key.span, bytes(UInt64(4)).span, .update)
        }
        #expect(missing?.errno == .enoent)
    }

    @Test func `an array has all its entries and loses none`() throws {
        let map = try object.map("row")
        #expect(try map.lookup(bytes(UInt32(99)).span) == bytes(UInt64(0)))
        #expect(try map.lookup(bytes(UInt32(100)).span) == nil)
        let error = #expect(throws: BPFError.self) { _ = try map.delete(bytes(UInt32(0)).span) }
        #expect(error?.errno == .einval)
        let beyond = #expect(throws: BPFError.self) {
            try map.update(bytes(UInt32(100)).span, bytes(UInt64(4)).span, .any)
        }
        #expect(beyond?.errno == .e2big)
    }

    @Test func `a per-CPU value has a padded part for each possible CPU`() throws {
        let map = try object.map("each_cpu")
        #expect(map.info.type.isPerCPU)
        #expect(map.lookupBytes == 16 * PossibleCPUs.count)
        #expect(Map.perCPUStride(12) == 16)
        let key = [UInt8](1...6)
        var value: [UInt8] = []
        for cpu in 0..<PossibleCPUs.count {
            value += [UInt8](repeating: UInt8(cpu + 1), count: 12) + [0, 0, 0, 0]
        }
        try map.update(key.span, value.span, .any)
        #expect(try map.lookup(key.span) == value)
    }

    @Test func `a walk by keys and a walk by batches give the same entries`() throws {
        let map = try object.map("table")
        let count = 10_000
        for number in 0..<UInt32(count) {
            try map.update(bytes(number).span, bytes(UInt64(number) * 3).span, .any)
        }
        var byKeys: [UInt64: UInt64] = [:]
        var key = [UInt8](repeating: 0, count: 4)
        var value = [UInt8](repeating: 0, count: 8)
        var keySpan = key.mutableSpan
        var isThere = try map.firstKey(into: &keySpan)
        while isThere {
            var valueSpan = value.mutableSpan
            #expect(try map.lookup(key.span, into: &valueSpan))
            byKeys[integer(key)] = integer(value)
            keySpan = key.mutableSpan
            isThere = try map.advance(&keySpan)
        }
        #expect(byKeys.count == count)

        var byBatches: [UInt64: UInt64] = [:]
        var keys = [UInt8](repeating: 0, count: 4 * 512)
        var values = [UInt8](repeating: 0, count: 8 * 512)
        var cursor = MapCursor()
        var steps = 0
        walk: while true {
            var keySpan = keys.mutableSpan
            var valueSpan = values.mutableSpan
            let batch = try map.lookupBatch(keys: &keySpan, values: &valueSpan, cursor: &cursor)
            let filled: Int
            switch batch {
            case .entries(let count), .end(let count): filled = count
            case .buffersTooSmall, .unsupported:
                Issue.record("\(batch)")
                break walk
            }
            for index in 0..<filled {
                byBatches[integer(keys[(index * 4)..<(index * 4 + 4)])] =
                    integer(values[(index * 8)..<(index * 8 + 8)])
            }
            steps += 1
            if case .end = batch { break }
        }
        #expect(steps >= count / 512)
        #expect(byBatches == byKeys)
        #expect(byKeys[9_999] == 29_997)
    }

    @Test func `nextKey begins at nil and ends with nil`() throws {
        let map = try object.map("row")
        var keys: [UInt64] = []
        var key = try map.nextKey(after: nil)
        while let present = key {
            keys.append(integer(present))
            key = try map.nextKey(after: present)
        }
        #expect(keys == (0..<100).map { $0 })
    }

    @Test func `a queue gives back in order and has no batches`() throws {
        let map = try object.map("line")
        let none: [UInt8] = []
        try map.update(none.span, bytes(UInt32(1)).span, .any)
        try map.update(none.span, bytes(UInt32(2)).span, .any)
        #expect(try map.lookup(none.span) == bytes(UInt32(1)))
        var value = bytes(UInt32(0))
        for expected in [UInt64(1), 2] {
            var span = value.mutableSpan
            #expect(try map.take(none.span, into: &span))
            #expect(integer(value) == expected)
        }
        var span = value.mutableSpan
        #expect(try !map.take(none.span, into: &span))
        var cursor = MapCursor()
        var (keys, values) = (bytes(UInt32(0)), bytes(UInt32(0)))
        var keySpan = keys.mutableSpan
        var valueSpan = values.mutableSpan
        #expect(
            try map.lookupBatch(keys: &keySpan, values: &valueSpan, cursor: &cursor)
                == .unsupported)
    }

    @Test func `a frozen map takes no more updates`() throws {
        let map = try object.map("row")
        try map.freeze()
        let error = #expect(throws: BPFError.self) {
            try map.update(bytes(UInt32(1)).span, bytes(UInt64(4)).span, .any)
        }
        #expect(error?.errno == .eperm)
        #expect(try map.lookup(bytes(UInt32(1)).span) != nil)
    }

    @Test func `map types have bpftool's names`() throws {
        let help = try BPFObject.run(["sh", "-c", "bpftool map help 2>&1"])
        let words = Set(help.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
        for type in MapType.all where type.rawValue <= 33 {
            #expect(words.contains(type.name), "\(type.rawValue)")
        }
        #expect(MapType(rawValue: 99).name == "type 99")
        #expect(MapType(name: "percpu_hash") == .percpuHash)
    }
}

@Suite struct BPFProgramTests {
    @Test func `a program tells its type, maps and counters`() throws {
        let object = try BPFObject("maps")
        let program = try object.program("touch")
        let statistics = try RunStatistics()
        let before = try program.info()
        let run = try program.testRun(data: [UInt8](repeating: 0, count: 64), repetitions: 10)
        withExtendedLifetime(statistics) {}
        let info = try program.info()
        #expect(run.returnValue == 7)
        #expect(info.typeName == "sched_cls")
        #expect(info.name == "touch")
        #expect(info.tag.utf8.count == 16)
        #expect(info.btfID != 0)
        #expect(info.verifiedInstructions > 0)
        #expect(info.loadedBytes > 0)
        let ids = try ["table", "row", "each_cpu", "line"].map { try object.map($0).info.id }
        #expect(Set(info.mapIDs) == Set(ids))
        #expect(try Inventory.programIDs().contains(info.id))
        #expect(try Program(id: info.id).info().tag == info.tag)
        #expect(before.runCount <= info.runCount)
    }
}
