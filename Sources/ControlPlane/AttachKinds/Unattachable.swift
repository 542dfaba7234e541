internal import Loading

/// Functions that have no place which this daemon could attach them to: the kernel wants a socket
/// of the caller's, a route, or another program that calls them.
enum Unattachable {
    /// Who has such a function run instead; nil of a function that can be attached.
    static func reason(_ function: LoadReport.Function) -> String? {
        switch function.type {
        case "socket_filter":
            "a socket filter belongs to the process that owns the socket: it sets it with "
                + "SO_ATTACH_BPF, or calls it from a prog array"
        case "sk_reuseport":
            "the process that owns the listening socket sets it with SO_ATTACH_REUSEPORT_EBPF"
        case "sched_act":
            "an action belongs to a tc filter: \"tc filter add … action bpf pinned PATH\" takes "
                + "it; SEC(\"tc\") can be attached here"
        case "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local":
            "it belongs to a route: \"ip route add … encap bpf … pinned PATH\" takes it"
        case "lirc_mode2":
            "it belongs to an infrared receiver, which this release does not attach to"
        case "syscall": "nothing calls it but BPF_PROG_TEST_RUN: POST …/functions/{f}/test_run"
        case "xdp" where ![0, 37].contains(function.expectedAttachType):
            "it is the program of an entry in a devmap or cpumap: write it there as the value's "
                + "program"
        default: nil
        }
    }
}
