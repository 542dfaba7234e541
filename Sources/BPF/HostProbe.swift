/// Finds out by trying what this host can do.
public enum HostProbe {
    /// One row for each attach kind. Loads and attaches tiny programs; 10 to 200 ms; blocks.
    public static func attachKinds() -> [Ability] { [] }
    /// One row for each map type.
    public static func mapTypes() -> [Ability] { [] }
}
