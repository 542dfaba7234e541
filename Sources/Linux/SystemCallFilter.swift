internal import CLinux
internal import Glibc

/// The system calls that are left to a process which handles bytes of a stranger: a seccomp filter,
/// which can never be taken off again (seccomp(2)).
public enum SystemCallFilter {
    /// Commands of bpf(2), by their numbers in linux/bpf.h: what libbpf uses to find out what the
    /// kernel can do, to load and to pin. `BPF_LINK_CREATE` and `BPF_RAW_TRACEPOINT_OPEN` are two
    /// of its questions, asked with descriptors that fit nothing.
    private static let commands: [UInt32] = [
        0,  // BPF_MAP_CREATE
        1, 2, 3, 4,  // BPF_MAP_LOOKUP_ELEM, UPDATE, DELETE, GET_NEXT_KEY
        5,  // BPF_PROG_LOAD
        6, 7,  // BPF_OBJ_PIN, GET
        11, 12, 13, 14,  // BPF_PROG_GET_NEXT_ID, MAP_…, PROG_GET_FD_BY_ID, MAP_…
        15,  // BPF_OBJ_GET_INFO_BY_FD
        17,  // BPF_RAW_TRACEPOINT_OPEN
        18, 19, 22, 23,  // BPF_BTF_LOAD, BTF_GET_FD_BY_ID, MAP_FREEZE, BTF_GET_NEXT_ID
        28,  // BPF_LINK_CREATE
        35,  // BPF_PROG_BIND_MAP
    ]

    private static let word = UInt16(BPF_LD | BPF_W | BPF_ABS)
    private static let jumpIfEqual = UInt16(BPF_JMP | BPF_JEQ | BPF_K)
    private static let jumpIfSet = UInt16(BPF_JMP | BPF_JSET | BPF_K)
    private static let give = UInt16(BPF_RET | BPF_K)
    private static let allow: UInt32 = 0x7fff_0000
    private static let killProcess: UInt32 = 0x8000_0000
    private static let forbid: UInt32 = 0x0005_0000 | UInt32(EPERM)

    /// Puts the calling thread, and what it starts, under the filter. Files can be opened for
    /// reading only, no process can be started and no socket made: `EPERM`, and for what only a
    /// process that was taken over would try, the end by SIGSYS.
    ///
    /// Does nothing on an architecture whose number is not known here.
    /// - Throws: `EACCES` without `no_new_privs`, `EINVAL` where the kernel has no seccomp.
    /// - Parameter mayReceive: recvmsg(2) too.
    public static func install(mayReceive: Bool = false) throws(Errno) {
        guard apiary_audit_architecture() != 0 else { return }
        var program = makeProgram(mayReceive)
        let count = UInt16(program.count)
        let result = unsafe program.withUnsafeMutableBufferPointer { instructions in
            // SAFETY: the kernel copies the instructions before it returns.
            var filter = unsafe sock_fprog(len: count, filter: instructions.baseAddress)
            return unsafe apiary_set_filter(&filter)
        }
        try check(result)
    }

    static func makeProgram(_ mayReceive: Bool = false) -> [sock_filter] {
        // struct seccomp_data: number, architecture, instruction pointer, six arguments.
        var program = [
            load(4), step(jumpIfEqual, apiary_audit_architecture(), skipIfTrue: 1),
            step(give, killProcess), load(0),
        ]
        for call in calls(apiary_loader_call) { program += when(call, allow) }
        if mayReceive { program += when(UInt32(APIARY_SYS_RECVMSG), allow) }
        for call in calls(apiary_fatal_call) { program += when(call, killProcess) }
        let isBPF = bpfPart()
        program.append(
            step(jumpIfEqual, UInt32(APIARY_SYS_BPF), skipIfFalse: isBPF.count))
        program += isBPF
        let isOpen = openPart()
        program.append(
            step(jumpIfEqual, UInt32(APIARY_SYS_OPENAT), skipIfFalse: isOpen.count))
        program += isOpen
        program.append(step(give, forbid))
        return program
    }

    private static func bpfPart() -> [sock_filter] {
        [load(lowWord(ofArgument: 0))] + commands.flatMap { when($0, allow) }
            + [step(give, forbid)]
    }

    private static func openPart() -> [sock_filter] {
        [
            load(lowWord(ofArgument: 2)),
            step(
                jumpIfSet, UInt32(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND),
                skipIfFalse: 1),
            step(give, forbid), step(give, allow),
        ]
    }

    private static func calls(_ number: (Int32) -> Int32) -> [UInt32] {
        var calls: [UInt32] = []
        while case let call = number(Int32(calls.count)), call >= 0 { calls.append(UInt32(call)) }
        return calls
    }

    private static func lowWord(ofArgument index: UInt32) -> UInt32 {
        16 + 8 * index + (Int(1).bigEndian == 1 ? 4 : 0)
    }

    private static func when(_ value: UInt32, _ result: UInt32) -> [sock_filter] {
        [step(jumpIfEqual, value, skipIfFalse: 1), step(give, result)]
    }

    private static func load(_ offset: UInt32) -> sock_filter { step(word, offset) }

    private static func step(
        _ code: UInt16, _ value: UInt32, skipIfTrue: Int = 0, skipIfFalse: Int = 0
    ) -> sock_filter {
        sock_filter(code: code, jt: UInt8(skipIfTrue), jf: UInt8(skipIfFalse), k: value)
    }
}
