public import JSON

extension ValuePlan {
    /// Exactly `size` bytes, padding zero. Members left out of a struct are zero.
    ///
    /// - Parameter pointer: where `value` stands in the client's document, for the error.
    /// - Throws: the first member that does not fit, with its place, the type and its range.
    public func encode(_ value: JSONValue, at pointer: JSONPointer = .root) throws(ValueError)
        -> [UInt8]
    {
        try encode(value, at: pointer, maximumSize: size)
    }

    /// As `encode(_:at:)`; a flexible array at the end makes the value longer, up to `maximumSize`
    /// bytes.
    public func encode(_ value: JSONValue, at pointer: JSONPointer = .root, maximumSize: Int)
        throws(ValueError) -> [UInt8]
    {
        var encoder = ValueEncoder(compiled.layout, at: pointer, maximumSize: maximumSize)
        try encoder.encodeRoot(value)
        return encoder.bytes
    }
}
