-- Tokens: who holds the text whose SHA-256 is here may act with that role, on those programs.
CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    -- Written now and then, not with each use.
    last_used_at INTEGER,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where an attempt came from, what object it was about, and the link of the chain: the SHA-256 of
-- the row before and of this one.
ALTER TABLE audit ADD COLUMN peer TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN digest TEXT;
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

-- One row: the chain begins after `anchor` (older rows were removed, or are older than the chain) and
-- ends at `head`.
CREATE TABLE audit_chain (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    anchor_sequence INTEGER NOT NULL,
    anchor_hash TEXT NOT NULL,
    head_sequence INTEGER NOT NULL,
    head_hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_chain (id, anchor_sequence, anchor_hash, head_sequence, head_hash)
    SELECT 1, coalesce(max(sequence), 0), '', coalesce(max(sequence), 0), '' FROM audit;
