-- What the kernel calls the things whose pins the rows name, in the boot of boot_id: so that a
-- foreign pin at our path is not taken for ours. Empty in rows of an older release.
ALTER TABLE programs ADD COLUMN kernel_ids TEXT NOT NULL DEFAULT '';
ALTER TABLE probes ADD COLUMN link_ids TEXT NOT NULL DEFAULT '';

-- Which file a uprobe is in: another one may have its path by now. Empty: it is in none.
ALTER TABLE probes ADD COLUMN target TEXT NOT NULL DEFAULT '';

-- What is to become of a probe whose target has gone: it stays failed, or it waits for the target.
ALTER TABLE probes ADD COLUMN when_gone TEXT NOT NULL DEFAULT 'fail'
    CHECK (when_gone IN ('fail', 'wait'));

-- Variables that were changed after the load, to be set again when the object is loaded again.
-- Values are JSON texts.
CREATE TABLE variables (
    program TEXT NOT NULL REFERENCES programs (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    -- 1: recorded, and perhaps not in the kernel yet.
    pending INTEGER NOT NULL CHECK (pending IN (0, 1)),
    PRIMARY KEY (program, name)
) STRICT, WITHOUT ROWID;

-- Contents of maps with "persist": true, in files of their own in snapshots/.
CREATE TABLE snapshots (
    program TEXT NOT NULL REFERENCES programs (name) ON DELETE CASCADE,
    map TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    entries INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (program, map)
) STRICT, WITHOUT ROWID;
