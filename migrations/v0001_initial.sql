-- The registry's first schema. Documents (options, report, attach, problem, labels) are JSON texts.

-- One row: the global revision, raised in the transaction of every change.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    format INTEGER NOT NULL
) STRICT;
INSERT INTO state (id, revision, format) VALUES (1, 0, 1);

-- The ELF files kept; their bytes lie beside the registry, in objects/, under their digest.
CREATE TABLE objects (
    digest TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE programs (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL REFERENCES objects (digest),
    size_bytes INTEGER NOT NULL,
    options TEXT NOT NULL,
    labels TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'deleting', 'failed')),
    load_id TEXT NOT NULL UNIQUE,
    boot_id TEXT NOT NULL,
    report TEXT NOT NULL,
    problem TEXT,
    loaded_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE probes (
    id TEXT PRIMARY KEY,
    program TEXT NOT NULL REFERENCES programs (name),
    function TEXT NOT NULL,
    attach TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    labels TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'deleting', 'failed')),
    pin TEXT NOT NULL UNIQUE,
    boot_id TEXT NOT NULL,
    problem TEXT,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX probes_by_program ON probes (program);

-- Names below our bpffs directory that a change is about to make or remove. A row here without a
-- program or probe row of the same name is a change that did not come to its end: undo it.
CREATE TABLE intents (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('load', 'link')),
    subject TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    revision INTEGER
) STRICT;
