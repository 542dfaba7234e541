import JSON

/// The text of what a plan's values were in the record before, for streams of records: a process's
/// id and name, and the upper digits of a time, mostly come again.
///
/// Of one plan; used by one thread at a time.
@safe public final class RenderMemory: @unchecked Sendable {
    /// What one operation wrote last.
    struct Slot {
        /// A number's upper digits or the number, or the bytes of a text.
        var key: (UInt64, UInt64) = (0, 0)
        var text = SIMD2<UInt64>()
        /// Bytes of `text`; 0 for what was never written, as for a text of NULs.
        var count = 0
    }

    /// Texts of this many bytes are remembered: TASK_COMM_LEN.
    static let textSize = 16

    let compiled: ValuePlan.Compiled
    // SAFETY: one slot for each of the plan's operations; allocated in init, freed in deinit, used
    // only in `ValuePlan.render`, which compares the plan.
    let slots: UnsafeMutablePointer<Slot>

    public init(_ plan: ValuePlan) {
        compiled = plan.compiled
        let count = compiled.program.operations.count
        unsafe slots = .allocate(capacity: count)
        unsafe slots.initialize(repeating: Slot(), count: count)
    }

    deinit { unsafe slots.deallocate() }
}

// SAFETY: as Renderer's `out`: who calls has reserved the longest text and slack.
extension RenderMemory.Slot {
    /// A number from 1 to 99,999,999.
    @inline(__always)
    mutating func append(
        short value: UInt64, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        if value != key.0 {
            let (text, count) = JSONText.shortText(value)
            self.text[0] = text
            self.count = count
            key.0 = value
        }
        unsafe UnsafeMutableRawPointer(out).storeBytes(of: text[0], as: UInt64.self)
        return unsafe out + count
    }

    /// Sixteen bytes up to their NUL, as the inside of a JSON string.
    @inline(__always)
    mutating func append(
        text bytes: UnsafeRawPointer, _ out: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let words = unsafe (
            bytes.loadUnaligned(as: UInt64.self),
            bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        )
        if words == key {
            unsafe UnsafeMutableRawPointer(out).storeBytes(of: text, as: SIMD2<UInt64>.self)
            return unsafe out + count
        }
        let end = unsafe JSONText.appendEscaped(
            bytes, RenderMemory.textSize, stopsAtNUL: true, out)
        let count = unsafe end - out
        // With escapes it may be longer.
        guard count <= RenderMemory.textSize else { return unsafe end }
        text = unsafe UnsafeRawPointer(out).loadUnaligned(as: SIMD2<UInt64>.self)
        self.count = count
        key = words
        return unsafe end
    }
}
