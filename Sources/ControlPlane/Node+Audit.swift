public import Problems
public import Registry

extension Node {
    /// The newest changes and refused attempts before `before`, the newest first.
    public func auditLog(before: Int64, limit: Int, _ filter: AuditFilter)
        throws(Problem) -> [AuditRow]
    {
        do { return try registry.auditLog(before: before, limit: limit, filter) } catch {
            throw Problem(error, while: "read the audit log")
        }
    }

    /// Computes every link of the audit log's chain again.
    public func verifyAudit() throws(Problem) -> AuditChainState {
        do { return try registry.verifyAudit() } catch {
            throw Problem(error, while: "read the audit log")
        }
    }
}
