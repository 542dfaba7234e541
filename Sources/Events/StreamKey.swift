/// A stream of records: one ring of one program.
public struct StreamKey: Sendable, Hashable, Comparable {
    public let program: String
    public let map: String

    public init(program: String, map: String) {
        self.program = program
        self.map = map
    }

    /// What programs print by `bpf_trace_printk`: of no program, since the kernel does not tell.
    public static let tracePipe = StreamKey(program: "", map: "trace_pipe")

    public static func < (one: StreamKey, other: StreamKey) -> Bool {
        (one.program, one.map) < (other.program, other.map)
    }
}
