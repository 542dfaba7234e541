/// Who declared a program or a probe.
public struct OwnerRow: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable { case program, probe }
    public var kind: Kind
    public var name: String
    public var owner: String

    public init(kind: Kind, name: String, owner: String) {
        self.kind = kind
        self.name = name
        self.owner = owner
    }
}

/// An entry of a map that a manifest declares.
public struct DeclaredEntryRow: Sendable, Hashable {
    public var program: String
    public var map: String
    /// The key's JSON text, as the API shows it.
    public var key: String
    /// `{"key":…,"value":…}` or with `values`, as declared.
    public var document: String
    public var owner: String

    public init(program: String, map: String, key: String, document: String, owner: String) {
        self.program = program
        self.map = map
        self.key = key
        self.document = document
        self.owner = owner
    }
}

/// What an entry was before a change that has not come to its end.
public struct EntryUndoRow: Sendable, Hashable {
    public var program: String
    /// The load whose map it is; in another there is nothing to undo.
    public var loadID: String
    public var map: String
    /// `{"key":…,"value":…}`; of an absent one only the key.
    public var document: String
    public var wasAbsent: Bool

    public init(program: String, loadID: String, map: String, document: String, wasAbsent: Bool) {
        self.program = program
        self.loadID = loadID
        self.map = map
        self.document = document
        self.wasAbsent = wasAbsent
    }
}
