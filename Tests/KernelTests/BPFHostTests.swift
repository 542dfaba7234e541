import BPF
import Linux
import Testing

/// One after the other: each looks for what the probes leave behind.
@Suite(.serialized) struct BPFHostTests {
    @Test func `each attach kind is told by trying it`() throws {
        _ = try BPFObject("maps")  // mounts tracefs
        let abilities = HostProbe.attachKinds()
        let kinds = abilities.map(\.kind)
        #expect(Set(kinds).count == kinds.count)
        #expect(
            Set(kinds) == [
                "kprobe", "kretprobe", "kprobe_multi", "ksyscall", "kretsyscall", "uprobe",
                "uretprobe", "uprobe_multi", "usdt", "tracepoint", "raw_tracepoint", "tp_btf",
                "fentry", "fexit", "fmod_ret", "lsm", "perf_event", "iter", "xdp", "tcx", "tc",
                "netkit", "cgroup", "sk_lookup", "flow_dissector", "sk_skb", "sk_msg",
                "netfilter", "struct_ops", "freplace",
            ])
        for ability in abilities {
            print(
                ability.kind, ability.state, ability.errno?.name ?? "", ability.reason ?? "",
                ability.needs ?? "", separator: " | ")
            switch ability.state {
            case .available: #expect(ability.errno == nil)
            case .unavailable:
                #expect(ability.errno != nil && ability.needs != nil, "\(ability.kind)")
            case .unknown: #expect(ability.reason != nil, "\(ability.kind)")
            }
        }
        for kind in ["tracepoint", "raw_tracepoint", "tp_btf", "uprobe", "uretprobe"] {
            #expect(abilities.first { $0.kind == kind }?.state == .available, "\(kind)")
        }
        // Other tests, and their daemons, try too: theirs go as ours are gone.
        for id in try links(of: "apiary_try") {
            #expect(Link.waitUntilGone(id: id, timeoutMilliseconds: 20_000), "link \(id) stays")
        }
    }

    @Test func `a kernel without the kprobe unit is told so, not that a symbol is missing`() {
        let row = HostProbe.attachKinds().first { $0.kind == "kprobe" }
        if FileSystem.exists("/sys/bus/event_source/devices/kprobe") {
            #expect(row?.errno != .enodev)
        } else {
            #expect(row?.state == .unavailable)
            #expect(row?.errno == .enodev)
            #expect(row?.needs?.contains("CONFIG_KPROBES") == true)
        }
    }

    @Test func `each map type is told by making one`() {
        let abilities = HostProbe.mapTypes()
        for ability in abilities {
            print(ability.kind, ability.state, ability.reason ?? "", separator: " | ")
        }
        #expect(abilities.map(\.kind) == MapType.all.map(\.name))
        for kind in ["hash", "array", "percpu_hash", "percpu_array", "ringbuf", "task_storage"] {
            #expect(abilities.first { $0.kind == kind }?.state == .available, "\(kind)")
        }
    }

    @Test func `the host's facts are there`() throws {
        let facts = HostFacts.read()
        print(facts)
        #expect(facts.kernelRelease == FileSystem.text("/proc/sys/kernel/osrelease"))
        #expect(facts.capabilities.contains("CAP_SYS_ADMIN"))
        #expect(facts.capabilities.contains("CAP_BPF"))
        #expect(facts.possibleCPUs == PossibleCPUs.count)
        #expect(facts.libbpfVersion.split(separator: ".").count >= 2)
        #expect(facts.isJITEnabled != nil)
    }

    private func links(of program: String) throws -> [UInt32] {
        try Inventory.linkIDs().filter { id in
            do {
                return try Program(id: Link(id: id).info().programID).info().name == program
            } catch {
                return false  // it went meanwhile
            }
        }
    }
}
