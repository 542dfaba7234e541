public import JSON

/// Why bytes are not BTF that can be used.
public struct BTFError: Error, Sendable, Hashable {
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// The types of one BTF blob (Documentation/bpf/btf.rst), little-endian, parsed once, immutable.
public final class BTFTypes: Sendable {
    public typealias ID = UInt32

    public enum Kind: Sendable, Hashable {
        case void, int, pointer, array, structure, union, enumeration, forward, typedef, volatile
        case const, restrict, function, functionPrototype, variable, dataSection, float
        case declarationTag, typeTag, enumeration64
    }

    public struct Variable: Sendable, Hashable {
        public let name: String
        public let type: ID
        public let offset: Int
        public let size: Int
    }

    /// - Parameter base: the kernel's types where `bytes` is split BTF (a module's).
    public init(parsing bytes: [UInt8], base: BTFTypes? = nil) throws(BTFError) {
        preconditionFailure("unwritten")
    }

    public func kind(of type: ID) -> Kind { preconditionFailure("unwritten") }
    public func name(of type: ID) -> String { preconditionFailure("unwritten") }
    /// Bytes of a value, through typedefs, qualifiers and arrays; `nil` for void, functions, forwards.
    public func size(of type: ID) -> Int? { preconditionFailure("unwritten") }
    /// The first type of this name and kind.
    public func find(_ name: String, _ kind: Kind) -> ID? { preconditionFailure("unwritten") }
    /// As C would write it: `struct event`, `__u32`, `char[16]`, `struct task_struct *`.
    public func spelling(of type: ID) -> String { preconditionFailure("unwritten") }
    /// The variables of a data section, `.rodata`, in the order of their offsets.
    public func variables(in section: String) -> [Variable] { preconditionFailure("unwritten") }
    /// Texts of the declaration tags on a type, or on one of its members.
    public func declarationTags(on type: ID, member: Int? = nil) -> [String] {
        preconditionFailure("unwritten")
    }
}

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
public struct ValuePlan: Sendable {
    /// Bytes of a value; of a struct that ends in a flexible array: without it.
    public let size: Int
    /// The type as C writes it.
    public let typeName: String

    public init(_ types: BTFTypes, type: BTFTypes.ID) throws(BTFError) {
        preconditionFailure("unwritten")
    }

    /// A plan without BTF: an unsigned integer of 1, 2, 4 or 8 bytes (shown as number), else hex.
    public init(untyped size: Int) { preconditionFailure("unwritten") }

    /// Appends the value as JSON. `bytes` has at least `size` bytes; more than that is a flexible
    /// array's, where the type ends in one.
    public func render(_ bytes: Span<UInt8>, into json: inout JSONWriter) {
        preconditionFailure("unwritten")
    }

    /// Exactly `size` bytes, padding zero. Members left out of a struct are zero.
    public func encode(_ value: JSONValue, at pointer: JSONPointer = .root) throws(ValueError)
        -> [UInt8]
    { preconditionFailure("unwritten") }
}
