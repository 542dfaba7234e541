-- Who declared a program or a probe in a manifest. What was made otherwise has no row.
CREATE TABLE owners (
    kind TEXT NOT NULL CHECK (kind IN ('program', 'probe')),
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX owners_by_owner ON owners (owner);
CREATE TRIGGER programs_disown AFTER DELETE ON programs BEGIN
    DELETE FROM owners WHERE kind = 'program' AND name = OLD.name;
END;
CREATE TRIGGER probes_disown AFTER DELETE ON probes BEGIN
    DELETE FROM owners WHERE kind = 'probe' AND name = OLD.id;
END;

-- Map entries that manifests declare. The key is its JSON text, as the API shows it; the document
-- is the entry as declared.
CREATE TABLE declared_entries (
    program TEXT NOT NULL REFERENCES programs (name) ON DELETE CASCADE,
    map TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (program, map, key)
) STRICT, WITHOUT ROWID;

-- What entries were before an apply that did not come to its end: a start puts them back, where the
-- load is still the one that was written to.
CREATE TABLE entry_undo (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    program TEXT NOT NULL,
    load_id TEXT NOT NULL,
    map TEXT NOT NULL,
    document TEXT NOT NULL,
    was_absent INTEGER NOT NULL CHECK (was_absent IN (0, 1))
) STRICT;
