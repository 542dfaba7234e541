public import JSON

/// A place of a USDT probe in a file, from its note in `.note.stapsdt`. One probe can have many:
/// wherever the compiler put its macro.
public struct USDTSite: Sendable, Hashable {
    /// Where an argument is when the place is reached.
    public enum Location: Sendable, Hashable {
        case constant
        /// The value is the register's.
        case register(offset: Int)
        /// The value is in memory at the register's value plus `USDTArgument.value`.
        case memory(offset: Int)
        /// Likewise, plus another register's value shifted left.
        case indexed(offset: Int, index: Int, shift: Int)
    }

    /// Registers are told by their offset in the kernel's `struct pt_regs`.
    public struct Argument: Sendable, Hashable {
        public var location: Location
        /// The constant, or the displacement.
        public var value: Int64
        public var isSigned: Bool
        /// 1, 2, 4 or 8 bytes.
        public var size: Int

        public init(location: Location, value: Int64, isSigned: Bool, size: Int) {
            self.location = location
            self.value = value
            self.isSigned = isSigned
            self.size = size
        }
    }

    /// In the file, as a uprobe takes it.
    public var offset: UInt64
    /// Of the semaphore in the file, which the kernel counts up while somebody looks; 0: none.
    public var semaphoreOffset: UInt64
    /// In the memory of whoever runs the file; nil where it lies elsewhere in each process: of a
    /// library, and of a program that is position-independent.
    public var address: UInt64?
    public var arguments: [Argument]

    public init(
        offset: UInt64, semaphoreOffset: UInt64, address: UInt64? = nil, arguments: [Argument]
    ) {
        self.address = address
        self.offset = offset
        self.semaphoreOffset = semaphoreOffset
        self.arguments = arguments
    }

    /// What usdt.bpf.h has room for (`BPF_USDT_MAX_ARG_CNT`).
    public static let mostArguments = 12
}

extension USDTSite {
    public var json: JSONValue {
        [
            "offset": JSONValue(offset), "semaphore": JSONValue(semaphoreOffset),
            "address": address.map { JSONValue($0) } ?? .null,
            "arguments": .array(arguments.map(\.json)),
        ]
    }

    /// `nil` where the document is no site.
    public init?(json: JSONValue) {
        guard let offset = json["offset"]?.uint64, let semaphore = json["semaphore"]?.uint64,
            let arguments = json["arguments"]?.array?.map(Argument.init(json:)),
            arguments.allSatisfy({ $0 != nil })
        else { return nil }
        self.init(
            offset: offset, semaphoreOffset: semaphore, address: json["address"]?.uint64,
            arguments: arguments.compactMap(\.self))
    }
}

extension USDTSite.Argument {
    /// `[size, value, register, index, shift]`, as many as the location needs; negative sizes are
    /// of signed values, as in the note.
    var json: JSONValue {
        var numbers = [Int64(isSigned ? -size : size), value]
        switch location {
        case .constant: break
        case .register(let offset): numbers += [0, Int64(offset)]
        case .memory(let offset): numbers += [1, Int64(offset)]
        case .indexed(let offset, let index, let shift):
            numbers += [2, Int64(offset), Int64(index), Int64(shift)]
        }
        // Texts: a displacement may be beyond what a JSON number keeps elsewhere.
        return .array(numbers.map { .string(String($0)) })
    }

    init?(json: JSONValue) {
        let numbers = (json.array ?? []).compactMap { $0.string.flatMap { Int64($0) } }
        guard numbers.count >= 2, [1, 2, 4, 8].contains(numbers[0].magnitude) else { return nil }
        let rest = numbers.dropFirst(2).compactMap { Int(exactly: $0) }
        let location: USDTSite.Location
        switch (rest.first, rest.count) {
        case (nil, _): location = .constant
        case (0, 2): location = .register(offset: rest[1])
        case (1, 2): location = .memory(offset: rest[1])
        case (2, 4): location = .indexed(offset: rest[1], index: rest[2], shift: rest[3])
        default: return nil
        }
        self.init(
            location: location, value: numbers[1], isSigned: numbers[0] < 0,
            size: Int(numbers[0].magnitude))
    }
}
