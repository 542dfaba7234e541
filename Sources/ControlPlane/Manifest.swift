public import JSON

/// What an owner declares: the programs, probes and map contents that are to be there.
public struct Manifest: Sendable {
    public struct Program: Sendable {
        public var name: String
        public var object: UploadedObject
        public var options: ProgramOptions

        public init(name: String, object: UploadedObject, options: ProgramOptions) {
            self.name = name
            self.object = object
            self.options = options
        }
    }

    /// Entries that a map is to have.
    public struct Contents: Sendable {
        public var program: String
        public var map: String
        /// `{"key":…,"value":…}`, with `values` for a per-CPU map.
        public var entries: [JSONObject]
        /// Whether entries that are not among them are to go.
        public var isExact: Bool

        public var name: String { program + "/" + map }

        public init(program: String, map: String, entries: [JSONObject], isExact: Bool) {
            self.program = program
            self.map = map
            self.entries = entries
            self.isExact = isExact
        }
    }

    public var owner: String
    public var programs: [Program]
    /// Each with its id.
    public var probes: [ProbeChange]
    public var maps: [Contents]
    /// Whether what this owner declared before and does not declare any more is to go.
    public var prunes: Bool

    public init(
        owner: String, programs: [Program], probes: [ProbeChange], maps: [Contents], prunes: Bool
    ) {
        self.owner = owner
        self.programs = programs
        self.probes = probes
        self.maps = maps
        self.prunes = prunes
    }

    /// Of one manifest: programs, probes, maps, and entries in all its maps.
    public static let programLimit = 256
    public static let probeLimit = 4096
    public static let mapLimit = 1024
    public static let entryLimit = 100_000
}
