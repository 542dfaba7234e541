/// Reads how many records the program itself could not put into the ring (the macros' counter).
///
/// Called on the pump's thread, at most ten times a second; must not block.
public protocol LostCounter: Sendable {
    /// The count since the program was loaded; `nil` where it cannot be read.
    func lostRecords() -> UInt64?
}
