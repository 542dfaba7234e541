extension JSONWriter {
    /// An object; `body` writes its members.
    @inlinable public mutating func object<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        byte(UInt8(ascii: "{"))
        try body(&self)
        byte(UInt8(ascii: "}"))
    }

    /// An array; `body` writes its elements.
    @inlinable public mutating func array<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        byte(UInt8(ascii: "["))
        try body(&self)
        byte(UInt8(ascii: "]"))
    }

    /// A comma, unless what stands before is the start of an object or array.
    @inlinable public mutating func separate() {
        guard used > 0 else { return }
        // SAFETY: the byte before `end` is written: `used` is above zero.
        let last = unsafe end[-1]
        if last != UInt8(ascii: "{"), last != UInt8(ascii: "[") { byte(UInt8(ascii: ",")) }
    }

    /// The comma where one is due, the name and the colon; the value is to follow.
    public mutating func name(_ name: String) {
        separate()
        string(name)
        byte(UInt8(ascii: ":"))
    }

    /// A member whose value `body` writes.
    public mutating func member<Failure: Error>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try body(&self)
    }

    /// A member that is an object; `body` writes its members.
    public mutating func object<Failure: Error>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try object(body)
    }

    /// A member that is an array; `body` writes its elements.
    public mutating func array<Failure: Error>(
        _ name: String, _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        self.name(name)
        try array(body)
    }

    /// A member of any value.
    public mutating func member(_ name: String, _ value: JSONValue) {
        self.name(name)
        self.value(value)
    }

    public mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    /// `null` where there is none.
    public mutating func member(_ name: String, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    /// A string where JSON has no number for it, as `double`.
    public mutating func member(_ name: String, _ value: Double) {
        self.name(name)
        double(value)
    }

    /// Exact for integers of up to 128 bits.
    public mutating func member(_ name: String, _ value: some FixedWidthInteger) {
        self.name(name)
        integer(of: value)
    }

    /// `null` where there is none.
    public mutating func member<Value: FixedWidthInteger>(_ name: String, _ value: Value?) {
        self.name(name)
        if let value { integer(of: value) } else { null() }
    }

    /// An element whose value `body` writes.
    public mutating func element<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        separate()
        try body(&self)
    }

    public mutating func element(_ value: JSONValue) {
        separate()
        self.value(value)
    }

    public mutating func element(_ value: String) {
        separate()
        string(value)
    }

    public mutating func element(_ value: some FixedWidthInteger) {
        separate()
        integer(of: value)
    }

    /// Any integer of up to 128 bits, exactly.
    public mutating func integer(of value: some FixedWidthInteger) {
        if let value = Int64(exactly: value) {
            integer(value)
        } else if let value = UInt64(exactly: value) {
            integer(value)
        } else if let value = Int128(exactly: value) {
            integer(value)
        } else {
            integer(UInt128(value))
        }
    }
}
