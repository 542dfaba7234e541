import BPF
import Glibc
import Linux
import Testing

/// Each kind: attach, count exactly, pin, let go, open again, still counting; unpin, gone.
@Suite struct BPFLinkTests {
    private let object: BPFObject
    private let counter: Counter

    init() throws {
        object = try BPFObject("counts")
        counter = try Counter(object, "counts")
    }

    @Test(arguments: [nil, 77 as UInt64])
    func `a tracepoint`(cookie: UInt64?) throws {
        try counter.holds(
            "on_tracepoint", 0, .tracepoint(category: "syscalls", name: "sys_enter_getppid"),
            link: "perf_event", cookie: cookie
        ) { _ = getppid() }
    }

    @Test(arguments: [nil, 78 as UInt64])
    func `a raw tracepoint`(cookie: UInt64?) throws {
        try counter.holds(
            "on_raw", 1, .rawTracepoint(name: "sys_enter"), link: "raw_tracepoint", cookie: cookie
        ) { _ = getppid() }
    }

    @Test(arguments: [nil, 79 as UInt64])
    func `a typed tracepoint`(cookie: UInt64?) throws {
        try counter.holds("on_typed", 2, .tracing, link: "raw_tracepoint", cookie: cookie) {
            _ = getppid()
        }
    }

    @Test(arguments: [("on_entry", 3 as UInt32, false), ("on_return", 4, true)], [nil, getpid()])
    func `a uprobe and a uretprobe`(
        function: (name: String, slot: UInt32, isReturn: Bool), processID: Int32?
    ) throws {
        let place = try Place(of: "labs")
        try counter.holds(
            function.name, function.slot,
            .uprobe(
                binary: place.file, offset: place.offset, processID: processID,
                isReturn: function.isReturn),
            link: "perf_event", cookie: 0x1234_5678_9abc_def0
        ) { place.call() }
    }

    private static let hasMulti = HostProbe.attachKinds().contains {
        $0.kind == "uprobe_multi" && $0.state == .available
    }

    @Test(.enabled(if: hasMulti, "uprobe_multi needs kernel 6.6"))
    func `several places of a file in one link`() throws {
        let object = try BPFObject("multi")
        let (one, other) = (try Place(of: "labs"), try Place(of: "llabs"))
        try #require(one.file == other.file)
        let offsets = one.offset == other.offset ? [one.offset] : [one.offset, other.offset]
        try Counter(object, "multi").holds(
            "on_many", 0,
            .uprobeMulti(binary: one.file, offsets: offsets, processID: nil, isReturn: false),
            link: "uprobe_multi", cookie: 4711
        ) { one.call() }
    }

    @Test(.enabled(if: hasMulti, "the object has a uprobe.multi function: kernel 6.6"))
    func `an iterator prints once for each map`() throws {
        let object = try BPFObject("multi")
        let link = try object.program("each_map").attach(to: .iterator(mapID: nil), cookie: nil)
        #expect(try link.info().typeName == "iter")
        let text = try String(decoding: link.openIterator().readAll(), as: UTF8.self)
        let lines = text.split(separator: "\n")
        #expect(lines.count >= 3)
        #expect(lines.allSatisfy { $0 == "a map" })
        let refused = #expect(throws: BPFError.self) {
            _ = try object.program("each_map").attach(to: .iterator(mapID: nil), cookie: 1)
        }
        #expect(refused?.errno == .eopnotsupp)
    }

    @Test func `what is not there is ENOENT, and near names can be listed`() throws {
        let program = try object.program("on_tracepoint")
        for target in [
            AttachTarget.tracepoint(category: "syscalls", name: "sys_enter_nonsense"),
            .tracepoint(category: "nonsense", name: "sys_enter_openat"),
            .tracepoint(category: "../events/syscalls", name: "sys_enter_openat"),
        ] {
            let error = #expect(throws: BPFError.self) {
                _ = try program.attach(to: target, cookie: nil)
            }
            #expect(error?.errno == .enoent, "\(target)")
        }
        #expect(try Tracepoints.names(category: "syscalls").contains("sys_enter_openat"))
        #expect(try Tracepoints.categories().contains("syscalls"))
        let raw = #expect(throws: BPFError.self) {
            _ = try object.program("on_raw").attach(to: .rawTracepoint(name: "none"), cookie: nil)
        }
        #expect(raw?.errno == .enoent)
        let file = #expect(throws: BPFError.self) {
            _ = try object.program("on_entry").attach(
                to: .uprobe(binary: "/nonsense", offset: 0, processID: nil, isReturn: false),
                cookie: nil)
        }
        #expect(file?.errno == .enoent)
    }

    @Test func `a function of another type is refused`() throws {
        let program = try object.program("on_tracepoint")
        for target in [AttachTarget.rawTracepoint(name: "sys_enter"), .tracing] {
            let error = #expect(throws: BPFError.self) {
                _ = try program.attach(to: target, cookie: nil)
            }
            #expect(error?.errno == .einval, "\(target)")
        }
        let place = try Place(of: "labs")
        let error = #expect(throws: BPFError.self) {
            _ = try program.attach(
                to: .uprobe(
                    binary: place.file, offset: place.offset, processID: nil, isReturn: false),
                cookie: nil)
        }
        #expect(error?.errno == .einval)
    }

    @Test func `a pin's name is taken once`() throws {
        let link = try object.program("on_raw").attach(
            to: .rawTracepoint(name: "sys_enter"), cookie: nil)
        try link.pin(object.pin("taken"))
        let taken = #expect(throws: BPFError.self) { try link.pin(object.pin("taken")) }
        #expect(taken?.errno == .eexist)
        let dotted = #expect(throws: BPFError.self) { try link.pin(object.pin("a.b")) }
        #expect(dotted?.errno == .eperm)
        let elsewhere = #expect(throws: BPFError.self) { try link.pin("/tmp/not-a-bpffs") }
        #expect(elsewhere?.errno == .eperm)
    }
}

/// An object whose functions count the runs of the thread that made it.
private struct Counter {
    private let object: BPFObject
    private let counts: Map
    private let cookies: Map

    init(_ object: BPFObject, _ name: String) throws {
        self.object = object
        counts = try object.map("counts")
        cookies = try object.map("cookies")
        let variables = try object.map(name + "_bss")
        try variables.update(bytes(UInt32(0)).span, bytes(try currentThread()).span, .any)
    }

    private func count(_ slot: UInt32) throws -> UInt64 {
        let value = try #require(try counts.lookup(bytes(slot).span))
        return stride(from: 0, to: value.count, by: 8).reduce(0) {
            $0 + integer(value[$1..<$1 + 8])
        }
    }

    /// What every attachment promises, for one function whose event is `fire`.
    func holds(
        _ function: String, _ slot: UInt32, _ target: AttachTarget, link type: String,
        cookie: UInt64? = nil, _ fire: () -> Void
    ) throws {
        let pin = object.pin("link_\(function)")
        var id: UInt32 = 0
        do {
            let link = try object.program(function).attach(to: target, cookie: cookie)
            #expect(link.isPinnable)
            for _ in 0..<100 { fire() }
            #expect(try count(slot) == 100)
            let info = try link.info()
            id = info.id
            #expect(info.typeName == type)
            #expect(info.programID == (try object.program(function).info().id))
            try link.pin(pin)
        }
        let cookieSeen = try #require(try cookies.lookup(bytes(slot).span))
        #expect(integer(cookieSeen) == cookie ?? 0)
        for _ in 0..<10 { fire() }
        #expect(try count(slot) == 110, "nobody but the pin holds it")
        #expect(try Inventory.linkIDs().contains(id))
        do {
            let link = try Link(pinned: pin)
            #expect(try link.info().id == id)
            #expect(!Link.waitUntilGone(id: id, timeoutMilliseconds: 1))
            try FileSystem.unlink(pin)
            fire()
            #expect(try count(slot) == 111, "the descriptor still holds it")
            withExtendedLifetime(link) {}
        }
        #expect(Link.waitUntilGone(id: id, timeoutMilliseconds: 10_000))
        for _ in 0..<10 { fire() }
        #expect(try count(slot) == 111)
    }
}

/// A function of the C library as a uprobe names it: file and offset in it.
private struct Place {
    let file: String
    let offset: UInt64
    private let function: @convention(c) (Int) -> Int

    init(of symbol: String) throws {
        let library = unsafe dlopen(nil, RTLD_NOW)
        let address = unsafe try #require(unsafe dlsym(library, symbol))
        function = unsafe unsafeBitCast(address, to: (@convention(c) (Int) -> Int).self)
        let number = UInt64(UInt(bitPattern: address))
        for line in (FileSystem.text("/proc/self/maps") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            let range = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard fields.count == 6, range.count == 2, range[0] <= number, number < range[1],
                let start = UInt64(fields[2], radix: 16)
            else { continue }
            file = String(fields[5])
            offset = number - range[0] + start
            return
        }
        throw BPFObject.Failure(text: "\(symbol) is in no mapping")
    }

    func call() { _ = function(-1) }
}
