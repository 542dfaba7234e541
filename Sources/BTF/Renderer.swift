import JSON

// SAFETY: of this whole file: `record` points to `count` bytes that the caller of `render` lends
// for the call; every offset lies within the plan's least size, which `render` has compared with
// `count`, or is compared here (`toEnd`, `once`). The operations are the program's array, borrowed
// for the call; a program ends every body with `.end`. `out` stays within what the last `.reserve`
// made room for: the program has added up the longest text of each value.
@unsafe struct Renderer {
    let operations: UnsafePointer<RenderOperation>
    // Its owner is on the stack of `render`; a retain for each record would be contended by
    // threads.
    unowned(unsafe) let compiled: ValuePlan.Compiled
    let record: UnsafeRawPointer
    let count: Int
    let quotesLargeIntegers: Bool
    /// One slot for each operation; nil where nothing is remembered.
    let memory: UnsafeMutablePointer<RenderMemory.Slot>?

    /// Runs from `start` to the end of the program or of a loop's body.
    func run(
        _ start: Int, _ base: UnsafeRawPointer, _ json: inout JSONWriter,
        _ begin: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var out = unsafe begin
        var index = start
        while true {
            let step = unsafe operations[index]
            // All sixteen bytes: what of them is not the literal's is overwritten, or is slack.
            unsafe UnsafeMutableRawPointer(out).storeBytes(of: step.literal, as: SIMD16<UInt8>.self)
            unsafe out += Int(step.literalSize)
            let value = unsafe base + Int(step.offset)
            let number: UInt64
            switch step.kind {
            case .unsigned8: number = UInt64(unsafe value.load(as: UInt8.self))
            case .unsigned16: number = UInt64(unsafe value.loadUnaligned(as: UInt16.self))
            case .unsigned32: number = UInt64(unsafe value.loadUnaligned(as: UInt32.self))
            case .unsigned64:
                number = unsafe value.loadUnaligned(as: UInt64.self)
                if unsafe quotesLargeIntegers, number > JSONWriter.largestExactInteger {
                    unsafe out = unsafe quote(out) { unsafe JSONText.append(number, $0) }
                    index &+= 1
                    continue
                }
            case .signed8: number = unsafe sign(Int64(value.load(as: Int8.self)), &out)
            case .signed16: number = unsafe sign(Int64(value.loadUnaligned(as: Int16.self)), &out)
            case .signed32: number = unsafe sign(Int64(value.loadUnaligned(as: Int32.self)), &out)
            case .signed64:
                let signed = unsafe value.loadUnaligned(as: Int64.self)
                if unsafe quotesLargeIntegers, signed.magnitude > JSONWriter.largestExactInteger {
                    unsafe out = unsafe quote(out) { unsafe JSONText.append(signed, $0) }
                    index &+= 1
                    continue
                }
                number = unsafe sign(signed, &out)
            case .text:
                unsafe out = unsafe text(value, Int(step.size), index, out)
                index &+= 1
                continue
            case .literal:
                index &+= 1
                continue
            case .rare:
                unsafe out = unsafe rare(step, value, &json, out)
                index &+= 1
                continue
            case .loop:
                unsafe out = unsafe loop(index, value, &json, out)
                index = Int(step.next)
                continue
            case .reserve:
                unsafe json.advance(to: out)
                json.reserve(Int(step.size))
                unsafe out = json.end
                index &+= 1
                continue
            case .end:
                return unsafe out
            }
            unsafe out = unsafe append(number, index, out)
            index &+= 1
        }
    }

    /// Puts the sign of a number that has one. - Returns: its magnitude.
    @inline(__always)
    private func sign(_ value: Int64, _ out: inout UnsafeMutablePointer<UInt8>) -> UInt64 {
        unsafe out.pointee = UInt8(ascii: "-")
        unsafe out += value < 0 ? 1 : 0
        return value.magnitude
    }

    @inline(__always)
    private func append(
        _ value: UInt64, _ index: Int, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let unit: UInt64 = 100_000_000
        guard let memory = unsafe memory, value >= 10, value < unit * unit else {
            return unsafe JSONText.append(value, out)
        }
        if value < unit { return unsafe memory[index].append(short: value, out) }
        let high = value / unit
        return unsafe JSONText.appendEight(
            value &- high &* unit, memory[index].append(short: high, out))
    }

    @inline(__always)
    private func text(
        _ bytes: UnsafeRawPointer, _ size: Int, _ index: Int, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        guard let memory = unsafe memory, size == RenderMemory.textSize else {
            return unsafe JSONText.appendEscaped(bytes, size, stopsAtNUL: true, out)
        }
        return unsafe memory[index].append(text: bytes, out)
    }

    @inline(__always)
    private func quote(
        _ out: UnsafeMutablePointer<UInt8>,
        _ body: (UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe out.pointee = UInt8(ascii: "\"")
        let end = unsafe body(out + 1)
        unsafe end.pointee = UInt8(ascii: "\"")
        return unsafe end + 1
    }

    @inline(never)
    private func loop(
        _ operation: Int, _ first: UnsafeRawPointer, _ json: inout JSONWriter,
        _ begin: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let step = unsafe operations[operation]
        let body = operation + 1
        let stride = Int(step.stride)
        var times = Int(step.size)
        if step.size >= RenderOperation.once {
            times = unsafe stride == 0 ? 0 : bytesLeft(from: first) / stride
            if step.size == RenderOperation.once { times = min(times, 1) }
        }
        var out = unsafe begin
        for index in 0..<times {
            if index > 0 {
                unsafe out.pointee = UInt8(ascii: ",")
                unsafe out += 1
            }
            unsafe out = unsafe run(body, first + index &* stride, &json, out)
        }
        return unsafe out
    }

    private func bytesLeft(from value: UnsafeRawPointer) -> Int {
        unsafe max(0, count - (value - record))
    }
}

// SAFETY: as above.
extension Renderer {
    @inline(never)
    private func rare(
        _ step: RenderOperation, _ value: UnsafeRawPointer, _ json: inout JSONWriter,
        _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe json.advance(to: out)
        let size = Int(step.size)
        switch step.rare {
        case .bool:
            json.bool(unsafe bits(value, 0, 8 * size) != 0)
        case .unsigned128:
            json.integer(unsafe value.loadUnaligned(as: UInt128.self))
        case .signed128:
            json.integer(unsafe value.loadUnaligned(as: Int128.self))
        case .float where size == 4:
            json.float(unsafe value.loadUnaligned(as: Float.self))
        case .float:
            json.double(unsafe value.loadUnaligned(as: Double.self))
        case .pointer:
            unsafe pointer(value.loadUnaligned(as: UInt64.self), &json)
        case .enumeration:
            let number = unsafe UInt64(truncatingIfNeeded: bits(value, 0, 8 * size))
            unsafe enumeration(Int(step.stride), number, bitCount: 8 * size, &json)
        case .bits:
            unsafe bitfield(compiled.program.bits[Int(step.stride)], value, &json)
        case .address4, .address6, .hardwareAddress, .bigEndian, .signedBigEndian, .histogram:
            let bytes = unsafe Span(
                _unsafeStart: value.assumingMemoryBound(to: UInt8.self), count: size)
            unsafe noted(step, bytes, &json)
        case .hex, .raw:
            let isToEnd = step.size == RenderOperation.toEnd
            let length = unsafe isToEnd ? bytesLeft(from: value) : size
            json.hex(
                unsafe Span(_unsafeStart: value.assumingMemoryBound(to: UInt8.self), count: length),
                prefix: step.rare == .raw ? "hex:" : "")
        case .longText:
            let isToEnd = step.size == RenderOperation.toEnd
            let limit = unsafe isToEnd ? bytesLeft(from: value) : size
            let bytes = unsafe Span(
                _unsafeStart: value.assumingMemoryBound(to: UInt8.self), count: limit)
            json.string(bytes.extracting(0..<textSize(bytes)))
        }
        // What comes next stores a literal's sixteen bytes before it reserves.
        json.reserve(JSONText.slack)
        return unsafe json.end
    }

    /// What a declaration tag has shown in a notation of its own.
    private func noted(_ step: RenderOperation, _ bytes: Span<UInt8>, _ json: inout JSONWriter) {
        switch step.rare {
        case .address4: AddressText.write4(bytes, to: &json)
        case .address6: AddressText.write6(bytes, to: &json)
        case .hardwareAddress: AddressText.writeHardware(bytes, to: &json)
        case .histogram: Histogram.write(bytes, elementSize: Int(step.stride), to: &json)
        case .signedBigEndian: json.integer(of: bigEndian(bytes, isSigned: true))
        default: json.integer(of: UInt128(truncatingIfNeeded: bigEndian(bytes, isSigned: false)))
        }
    }

    /// `size` bits, at most 128, little-endian, from the bit `start`.
    private func bits(_ base: UnsafeRawPointer, _ start: Int, _ size: Int) -> UInt128 {
        var (value, filled): (UInt128, Int) = (0, 0)
        var byte = start / 8
        var skip = start % 8
        while filled < size {
            let eight = unsafe base.load(fromByteOffset: byte, as: UInt8.self) >> UInt8(skip)
            value |= UInt128(eight) << UInt128(filled)
            filled += 8 - skip
            byte += 1
            skip = 0
        }
        return size == 128 ? value : value & (1 << UInt128(size) - 1)
    }

    private func bitfield(_ bits: RenderBits, _ base: UnsafeRawPointer, _ json: inout JSONWriter) {
        let size = bits.field.size
        let value = unsafe self.bits(base, bits.field.offset, size)
        switch bits.look {
        case .bool: json.bool(value != 0)
        case .integer(isSigned: false): json.integer(of: value)
        case .integer(isSigned: true): json.integer(of: signExtended(value, size))
        case .enumeration(let table):
            unsafe enumeration(table, UInt64(truncatingIfNeeded: value), bitCount: size, &json)
        }
    }

    /// By name, or as a number where it has none.
    private func enumeration(
        _ table: Int, _ value: UInt64, bitCount: Int, _ json: inout JSONWriter
    ) {
        let enumeration = unsafe compiled.layout.enumerations[table]
        let number = signExtended(UInt128(value), bitCount)
        let bits = enumeration.isSigned ? UInt64(truncatingIfNeeded: number) : value
        if let found = enumeration.find(bits & enumeration.mask) {
            let name = enumeration.quotedNames[found]
            json.raw(name.span)
        } else if enumeration.isSigned {
            json.integer(of: number)
        } else {
            json.integer(value)
        }
    }

    private func pointer(_ value: UInt64, _ json: inout JSONWriter) {
        json.append(atMost: 20) { output in
            output.append(UInt8(ascii: "\""))
            output.append(UInt8(ascii: "0"))
            output.append(UInt8(ascii: "x"))
            var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
            while shift >= 0 {
                let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
                output.append(digit < 10 ? digit + 0x30 : digit + 0x57)
                shift -= 4
            }
            output.append(UInt8(ascii: "\""))
        }
    }
}

func signExtended(_ value: UInt128, _ bitCount: Int) -> Int128 {
    let shift = Int128(128 - bitCount)
    return (Int128(truncatingIfNeeded: value) << shift) >> shift
}

/// Bytes before the first NUL.
func textSize(_ bytes: Span<UInt8>) -> Int {
    for index in bytes.indices where bytes[index] == 0 { return index }
    return bytes.count
}

/// An integer in network order of at most 16 bytes; of an unsigned one the bits.
func bigEndian(_ bytes: Span<UInt8>, isSigned: Bool) -> Int128 {
    var value: UInt128 = 0
    for index in bytes.indices { value = value << 8 | UInt128(bytes[index]) }
    return isSigned
        ? signExtended(value, 8 * bytes.count) : Int128(truncatingIfNeeded: value)
}
