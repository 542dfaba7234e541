/// What the loader found and did. Kept in the registry as JSON: adoption needs it.
public struct LoadReport: Sendable, Hashable {
    /// A `SEC()` entry point that was loaded.
    public struct Function: Sendable, Hashable {
        /// The C function's name; the kernel's own copy is cut at 15 bytes.
        public var name: String
        /// As libbpf gives it: without the `?` of `SEC("?…")`.
        public var section: String
        /// libbpf's name of the type, `tracepoint`, `kprobe`, `tracing`, `xdp`.
        public var type: String
        /// `BPF_TRACE_…` number that the load fixed; the kernel does not tell it again. A `usdt`
        /// function has `BPF_TRACE_UPROBE_MULTI` here where libbpf chose that (kernel 6.6).
        public var expectedAttachType: UInt32
        /// The BTF target that the load fixed (tp_btf, fentry, …), else nil.
        public var target: String?
        public var isSleepable: Bool
        /// Instructions of the function in the object, without the subprograms it calls.
        public var instructions: Int
        /// File name in the pin directory; nil for a dry run.
        public var pin: String?
        public var verifierLog: String?

        public init(
            name: String, section: String, type: String, expectedAttachType: UInt32,
            target: String? = nil, isSleepable: Bool = false, instructions: Int,
            pin: String? = nil, verifierLog: String? = nil
        ) {
            self.name = name
            self.section = section
            self.type = type
            self.expectedAttachType = expectedAttachType
            self.target = target
            self.isSleepable = isSleepable
            self.instructions = instructions
            self.pin = pin
            self.verifierLog = verifierLog
        }
    }

    public struct Map: Sendable, Hashable {
        /// As the object says: `counts`, `.rodata`; the kernel's own copy is cut at 15 bytes.
        public var name: String
        /// The kernel's `BPF_MAP_TYPE_…` number.
        public var type: UInt32
        /// File name in the pin directory; nil for a dry run.
        public var pin: String?
        /// Holds global variables, and was made by libbpf, not declared in `.maps`.
        public var isInternal: Bool
        /// `BPF_F_…` as the object declares them: of `BPF_F_RDONLY` and `BPF_F_WRONLY`, which hold
        /// for a descriptor, the kernel's own copy forgets.
        public var flags: UInt32
        /// BTF ids of the object's types, 0 for none: of queues, maps in maps, devmaps and others
        /// the kernel keeps none.
        public var keyType: UInt32
        public var valueType: UInt32
        /// What registers a struct_ops map where the kernel has no links for them (before 6.4).
        public var structure: Structure?

        public init(
            name: String, type: UInt32, pin: String? = nil, isInternal: Bool = false,
            flags: UInt32 = 0, keyType: UInt32 = 0, valueType: UInt32 = 0,
            structure: Structure? = nil
        ) {
            self.structure = structure
            self.flags = flags
            self.keyType = keyType
            self.valueType = valueType
            self.name = name
            self.type = type
            self.pin = pin
            self.isInternal = isInternal
        }
    }

    public struct Global: Sendable, Hashable {
        public var name: String
        /// The map that holds it: `.rodata`, `.data`, `.bss`, `.data.hot`.
        public var section: String
        /// As C writes it, `struct config`.
        public var type: String
        /// Bytes from the start of the map's value.
        public var offset: Int
        public var size: Int

        public init(name: String, section: String, type: String, offset: Int, size: Int) {
            self.name = name
            self.section = section
            self.type = type
            self.offset = offset
            self.size = size
        }
    }

    /// The type of a ring buffer's or perf event array's records.
    public struct EventType: Sendable, Hashable {
        public enum Source: String, Sendable {
            /// By `APIARY_EVENTS` of `apiary.bpf.h`.
            case declared
            /// By the one unused `const struct event *` of an object with one such map.
            case anchor
        }
        public var map: String
        /// The bare name in BTF, `exec_event`: of a struct, a union or a typedef of one, to be
        /// looked for in that order in the kernel's copy of the program's BTF.
        public var type: String
        public var source: Source
        /// Where a ring has records of several types: the value of `tagMember` that this type's
        /// have, a number or an enum's name.
        public var tag: String?
        public var tagMember: String?

        public init(
            map: String, type: String, source: Source, tag: String? = nil,
            tagMember: String? = nil
        ) {
            self.map = map
            self.type = type
            self.source = source
            self.tag = tag
            self.tagMember = tagMember
        }
    }

    /// The text of `SEC("license")`; empty where there is none.
    public var license: String
    /// Those that were loaded, in the object's order.
    public var functions: [Function]
    /// Those that were created or reused, in the object's order.
    public var maps: [Map]
    public var globals: [Global]
    /// Record types of ring buffers and perf event arrays, as the object declares them.
    public var eventTypes: [EventType]
    /// `v1.4`: of the library that loaded it, which decides details such as USDT's layout.
    public var libbpfVersion: String

    public init(
        license: String, functions: [Function], maps: [Map], globals: [Global],
        eventTypes: [EventType], libbpfVersion: String
    ) {
        self.license = license
        self.functions = functions
        self.maps = maps
        self.globals = globals
        self.eventTypes = eventTypes
        self.libbpfVersion = libbpfVersion
    }
}
