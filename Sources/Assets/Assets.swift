internal import CAssets

/// The files that the executables carry in themselves. Nothing is read, unpacked or parsed at
/// start.
public enum Asset: Sendable, CaseIterable {
    /// The contract, `openapi/apiary.json`, made from `openapi/apiary.yaml`.
    case openAPI
    /// `migrations/v0001_initial.sql`.
    case initialMigration
    /// `migrations/v0002_durability.sql`.
    case durabilityMigration
    /// `migrations/v0003_apply.sql`.
    case applyMigration
    /// `migrations/v0004_tokens.sql`.
    case tokensMigration

    public var bytes: [UInt8] {
        let asset =
            switch self {
            case .openAPI: unsafe apiary_openapi_json()
            case .initialMigration: unsafe apiary_v0001_initial_sql()
            case .durabilityMigration: unsafe apiary_v0002_durability_sql()
            case .applyMigration: unsafe apiary_v0003_apply_sql()
            case .tokensMigration: unsafe apiary_v0004_tokens_sql()
            }
        // SAFETY: the bytes are constants of the executable.
        return unsafe Array(UnsafeBufferPointer(start: asset.bytes, count: asset.size))
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }
}
