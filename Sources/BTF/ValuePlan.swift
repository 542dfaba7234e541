public import JSON

/// Why a JSON value cannot become bytes of a type.
public struct ValueError: Error, Sendable, Hashable {
    /// A clause: "300 is outside the range of __u8 (0 to 255)".
    public let reason: String
    public let pointer: JSONPointer
    public init(_ reason: String, _ pointer: JSONPointer) {
        self.reason = reason
        self.pointer = pointer
    }
}

/// How the bytes of one type become JSON and back, compiled once from BTF into flat operations.
///
/// | type | JSON |
/// | --- | --- |
/// | integers, bitfields | exact numbers; on writing, over 53 bits also as decimal strings |
/// | a single `char` | a number, signed where the compiler says so |
/// | `char[N]` | text up to its NUL; what is not UTF-8 becomes U+FFFD; on writing at most N bytes |
/// | `u8[N]` | plain hex text of N bytes |
/// | `bool` | `true`, `false` |
/// | enums | the name; a number where the value has none; on writing either |
/// | `float`, `double` | a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
/// | struct | an object; members of anonymous members stand in it; what is left out is zero |
/// | union | an object of all members; on writing exactly one |
/// | array | an array of exactly as many elements |
/// | flexible array at the end | as many elements as the record has bytes for |
/// | pointer | `"0x…"`, read only |
/// | tagged `apiary:ipv4`, `ipv6`, `ip`, `mac` | an address as text; on writing also plain hex |
/// | tagged `apiary:big_endian` | a number, from network order |
/// | tagged `apiary:log2` | buckets with their bounds, `[{"from":0,"to":1,"count":3}]` |
/// | `bpf_spin_lock`, `bpf_timer`, kptr, … | that word, read only |
/// | data section | an object of its variables |
///
/// A value, whole, may also be written as `"hex:…"`. What is read only may be given back as it was
/// shown (a pointer: where it was null), so that a value that was read can be written.
/// Immutable, cheap to copy, any thread.
public struct ValuePlan: Sendable {
    /// Bytes of a value; of a struct that ends in a flexible array: without it.
    public var size: Int { compiled.size }
    /// Bytes that a value has at least: of a struct that ends in a flexible array those before it,
    /// without the padding that `sizeof` counts behind.
    public var leastSize: Int { compiled.leastSize }
    /// The type as C writes it.
    public var typeName: String { compiled.typeName }
    /// Whether the type ends in a flexible array, so that a value may be longer than `size`.
    public var isFlexible: Bool { compiled.layout.nodes[compiled.layout.root].isFlexible }

    final class Compiled: Sendable {
        let layout: ValueLayout
        let program: RenderProgram
        let decoding: DecodeProgram
        let size: Int
        let leastSize: Int
        let typeName: String
        /// A value that is all text can be mistaken for `hex:…`.
        let isText: Bool
        /// Whether a key of any bytes is shown so that it comes back.
        let isAlwaysExact: Bool

        init(_ layout: ValueLayout, leastSize: Int?) {
            self.layout = layout
            let root = layout.nodes[layout.root]
            program = RenderProgram(layout)
            decoding = DecodeProgram(layout)
            size = root.size
            self.leastSize = leastSize ?? layout.leastSize(layout.root)
            typeName = layout.typeName(root)
            isAlwaysExact = layout.isAlwaysExact(layout.root)
            if case .text = root.shape { isText = true } else { isText = false }
        }
    }

    let compiled: Compiled

    /// - Parameter type: what values have: a struct, an integer, a typedef of them, …; a variable
    ///   stands for its type, a data section for a struct of its variables.
    /// - Throws: `type` has no values (`void`, functions, forward declarations), or is not sound:
    ///   members outside their struct, integers of unknown sizes, over 1 GiB.
    public init(_ types: BTFTypes, type: BTFTypes.ID) throws(BTFError) {
        self.init(try ValueLayout(types, type: type))
    }

    /// A plan of a variable, whose declaration may have a tag of its own.
    public init(_ types: BTFTypes, variable: BTFTypes.Variable) throws(BTFError) {
        self.init(try ValueLayout(types, variable: variable))
    }

    /// - Parameter leastSize: where that is not the layout's: of a part of a value.
    init(_ layout: ValueLayout, leastSize: Int? = nil) {
        compiled = Compiled(layout, leastSize: leastSize)
    }

    /// A plan without BTF: an unsigned integer of 1, 2, 4 or 8 bytes (shown as number), else hex.
    public init(untyped size: Int) { self.init(ValueLayout(untyped: size)) }

    /// Appends the value as JSON. `bytes` has at least `leastSize` bytes; more than that is a
    /// flexible array's, where the type ends in one.
    /// - Parameter memory: this plan's, for values of which each is much like the one before.
    public func render(
        _ bytes: Span<UInt8>, into json: inout JSONWriter, _ memory: RenderMemory? = nil
    ) {
        let compiled = compiled
        precondition(memory == nil || memory?.compiled === compiled, "another plan's memory")
        precondition(
            bytes.count >= compiled.leastSize,
            "\(bytes.count) bytes for a type of \(compiled.leastSize)")
        if compiled.isText, renderAmbiguousText(bytes, &json) { return }
        // SAFETY: both pointers are borrowed from arrays that `compiled` and `bytes` keep alive
        // until the closures return; Renderer says what it reads and writes.
        unsafe compiled.program.operations.withUnsafeBufferPointer { operations in
            unsafe bytes.withUnsafeBytes { record in
                guard let operations = operations.baseAddress else { return }
                // An empty value has no address; nothing is read from this one.
                let base = unsafe record.baseAddress ?? UnsafeRawPointer(operations)
                let renderer = unsafe Renderer(
                    operations: operations, compiled: compiled, record: base, count: record.count,
                    quotesLargeIntegers: json.int64 == .string, memory: memory?.slots)
                json.reserve(JSONText.slack)
                unsafe json.advance(to: renderer.run(0, base, &json, json.end))
            }
        }
    }

    /// A text of its own that would read as `hex:…`, or not give the same bytes back, is shown as
    /// bytes: a map's key must be usable as it was shown.
    private func renderAmbiguousText(_ bytes: Span<UInt8>, _ json: inout JSONWriter) -> Bool {
        if !startsAsHex(bytes), isExact(bytes) { return false }
        json.hex(bytes, prefix: "hex:")
        return true
    }
}

private func startsAsHex(_ bytes: Span<UInt8>) -> Bool {
    bytes.count >= 4 && bytes[0] == UInt8(ascii: "h") && bytes[1] == UInt8(ascii: "e")
        && bytes[2] == UInt8(ascii: "x") && bytes[3] == UInt8(ascii: ":")
}
