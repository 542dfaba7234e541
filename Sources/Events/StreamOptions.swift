/// How a ring's records are to be taken.
public struct StreamOptions: Sendable {
    /// nil: shown in hex.
    public var schema: RecordSchema?
    public var lostCounter: (any LostCounter)?
    /// Counts what the program's rate limit left out.
    public var rateLimited: (any LostCounter)?
    public var retention = Retention()
    /// The program submits with `BPF_RB_NO_WAKEUP`: the pump looks by itself, at least every 50 ms.
    public var isQuiet = false

    public init(
        schema: RecordSchema? = nil, lostCounter: (any LostCounter)? = nil
    ) {
        self.schema = schema
        self.lostCounter = lostCounter
    }
}
