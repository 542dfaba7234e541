internal import Cryptography
internal import Foundation
internal import GRDB
internal import JSON

/// Whether the audit log is as it was written.
public struct AuditChainState: Sendable, Hashable {
    /// Rows that hang together.
    public var rows: Int
    public var firstSequence: Int64?
    public var lastSequence: Int64?
    /// The link of the last row, in hex: what a copy kept elsewhere is compared with.
    public var head: String
    /// The first row whose link is not what it should be; also where rows are missing at the end.
    public var brokenAt: Int64?
}

extension Transaction {
    /// Appends a row, and its link to the chain.
    func audit(_ origin: ChangeOrigin, subject: String, outcome: String) throws {
        let time = Int64(Date().timeIntervalSince1970 * 1_000_000_000)
        let revision = revision == 0 ? nil : revision
        try database.executeCached(
            sql: """
                INSERT INTO audit (time, request_id, actor, action, subject, outcome, revision,
                    peer, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                time, origin.requestID, origin.actor, origin.action, subject, outcome, revision,
                origin.peer, origin.digest,
            ])
        let row = AuditRow(
            sequence: database.lastInsertedRowID, timeNanoseconds: UInt64(bitPattern: time),
            requestID: origin.requestID, actor: origin.actor, action: origin.action,
            subject: subject, outcome: outcome, revision: revision, peer: origin.peer,
            digest: origin.digest)
        let head = try database.cachedStatement(sql: "SELECT head_hash FROM audit_chain")
        let before = try String.fetchOne(head) ?? ""
        let link = AuditChain.link(row, after: before)
        try database.executeCached(
            sql: "UPDATE audit SET hash = ? WHERE sequence = ?", arguments: [link, row.sequence])
        try database.executeCached(
            sql: "UPDATE audit_chain SET head_sequence = ?, head_hash = ?",
            arguments: [row.sequence, link])
        audited.append(row.linked(link))
        if row.sequence.isMultiple(of: AuditChain.pruneEvery) { try prune(row.sequence) }
    }

    /// Keeps the log bounded: the chain's beginning moves up to the last row that goes.
    private func prune(_ last: Int64) throws {
        let oldest = last - Int64(auditLimit)
        let anchor = try Row.fetchOne(
            database, sql: "SELECT sequence, hash FROM audit WHERE sequence = ?",
            arguments: [oldest])
        guard let anchor else { return }
        try database.executeCached(
            sql: """
                UPDATE audit_chain SET anchor_sequence = :sequence, anchor_hash = :hash
                WHERE anchor_sequence < :sequence
                """,
            arguments: ["sequence": anchor["sequence"] as Int64, "hash": anchor["hash"] as String])
        try database.executeCached(
            sql: "DELETE FROM audit WHERE sequence <= ?", arguments: [oldest])
    }
}

extension RegistryStore {
    /// Reads the whole chain and computes every link again. Some ms for 10,000 rows.
    public func verifyAudit() throws(RegistryError) -> AuditChainState {
        try fetch { database in
            guard let chain = try Row.fetchOne(database, sql: "SELECT * FROM audit_chain") else {
                throw RegistryError(kind: .corrupt, reason: "audit_chain is empty")
            }
            let anchor: Int64 = chain["anchor_sequence"]
            let headSequence: Int64 = chain["head_sequence"]
            var state = AuditChainState(rows: 0, head: chain["head_hash"])
            var hash: String = chain["anchor_hash"]
            let rows = try Row.fetchCursor(
                database, sql: "SELECT * FROM audit WHERE sequence > ? ORDER BY sequence",
                arguments: [anchor])
            while let row = try rows.next() {
                let record = AuditRow(row)
                hash = AuditChain.link(record, after: hash)
                guard hash == record.hash else {
                    state.brokenAt = record.sequence
                    return state
                }
                state.rows += 1
                state.firstSequence = state.firstSequence ?? record.sequence
                state.lastSequence = record.sequence
            }
            if hash != state.head || (state.lastSequence ?? anchor) != headSequence {
                state.brokenAt = (state.lastSequence ?? anchor) + 1
            }
            return state
        }
    }
}

enum AuditChain {
    static let pruneEvery: Int64 = 64

    /// SHA-256, in hex, of the link before and of the row's members as a JSON array.
    static func link(_ row: AuditRow, after before: String) -> String {
        let members: JSONValue = [
            JSONValue(row.sequence), JSONValue(row.timeNanoseconds), .string(row.requestID),
            .string(row.actor), .string(row.action), .string(row.subject), .string(row.outcome),
            row.revision.map { JSONValue($0) } ?? .null, .string(row.peer), JSONValue(row.digest),
        ]
        let text = before + "\n" + String(decoding: members.serialized(), as: UTF8.self)
        return HexText.text(SHA256.digest(of: text))
    }
}

extension AuditRow {
    fileprivate func linked(_ link: String) -> AuditRow {
        var row = self
        row.hash = link
        return row
    }

    init(_ row: Row) {
        self.init(
            sequence: row["sequence"], timeNanoseconds: UInt64(bitPattern: row["time"]),
            requestID: row["request_id"], actor: row["actor"], action: row["action"],
            subject: row["subject"], outcome: row["outcome"], revision: row["revision"],
            peer: row["peer"], digest: row["digest"], hash: row["hash"])
    }
}
