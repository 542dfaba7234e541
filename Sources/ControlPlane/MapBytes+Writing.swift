internal import BPF
internal import BTF
internal import JSON

extension MapBytes {
    /// Appends `{"key":…,"value":…}`, with `values` for a per-CPU map.
    func write(key: EntryKey, value: [UInt8], to json: inout JSONWriter) {
        json.raw("{\"key\":")
        if let shown = key.shown {
            json.value(shown)
        } else {
            writeKey(key.bytes.span, to: &json)
        }
        writeValue(after: value.span, to: &json)
        json.byte(UInt8(ascii: "}"))
    }

    /// The same from spans; the hot path of dumps.
    func write(key: Span<UInt8>, value: Span<UInt8>, to json: inout JSONWriter) {
        json.raw("{\"key\":")
        writeKey(key, to: &json)
        writeValue(after: value, to: &json)
        json.byte(UInt8(ascii: "}"))
    }

    /// Appends `,"value":…` or `,"values":[…]`.
    func writeValue(after value: Span<UInt8>, to json: inout JSONWriter) {
        guard isPerCPU else {
            json.raw(",\"value\":")
            single(value, to: &json)
            return
        }
        let size = map.map.info.valueSize
        guard cpu == .each else {
            json.raw(",\"value\":")
            let whole = combined(value)
            single(whole.span, to: &json)
            return
        }
        json.raw(",\"values\":[")
        for cpu in 0..<cpus {
            if cpu > 0 { json.byte(UInt8(ascii: ",")) }
            let start = cpu * stride
            single(value.extracting(start..<start + size), to: &json)
        }
        json.byte(UInt8(ascii: "]"))
    }

    /// So that it is the same key when it comes back.
    func writeKey(_ bytes: Span<UInt8>, to json: inout JSONWriter) {
        switch encoding {
        case .typed: map.keyPlan.renderKey(bytes, into: &json)
        case .hex, .base64: write(bytes, map.keyPlan, to: &json)
        }
    }

    private func single(_ bytes: Span<UInt8>, to json: inout JSONWriter) {
        if let objects, encoding == .typed, objects.write(bytes, to: &json) { return }
        write(bytes, map.valuePlan, to: &json)
    }

    private func write(_ bytes: Span<UInt8>, _ plan: ValuePlan, to json: inout JSONWriter) {
        switch encoding {
        case .typed: plan.render(bytes, into: &json)
        case .hex: json.hex(bytes, prefix: "hex:")
        case .base64: json.string("base64:" + Base64.encode(bytes))
        }
    }

    /// One value with each number summed over the CPUs (modulo its size, as the program's own
    /// arithmetic), or the largest.
    private func combined(_ values: Span<UInt8>) -> [UInt8] {
        var whole = [UInt8](repeating: 0, count: map.map.info.valueSize)
        for number in numbers {
            var result: Int128?
            for cpu in 0..<cpus {
                let start = cpu * stride
                let one = values.extracting(start..<start + whole.count)
                let value = map.valuePlan.integer(number, in: one) ?? 0
                switch (result, self.cpu) {
                case (nil, _): result = value
                case (let sum?, .max): result = Swift.max(sum, value)
                case (let sum?, _): result = sum &+ value
                }
            }
            let bits = UInt128(truncatingIfNeeded: result ?? 0)
            for byte in 0..<number.size {
                whole[number.offset + byte] = UInt8(truncatingIfNeeded: bits >> UInt128(8 * byte))
            }
        }
        return whole
    }
}
