internal import BPF
internal import JSON
internal import Linux
internal import Problems

/// The number in a slot of a devmap or cpumap.
enum SlotNumber: String, Sendable {
    case interfaceIndex = "ifindex"
    case queueSize = "qsize"
}

// The slots of devmaps and cpumaps: `{"ifindex":2,"function":"on_egress"}`. User space gives the
// function's descriptor, and gets its id.
extension MapObjects {
    /// The bytes of `struct bpf_devmap_val` or `bpf_cpumap_val`; nil of a text, which is bytes.
    func slot(_ value: JSONValue, _ number: SlotNumber, _ pointer: JSONPointer) throws(Problem)
        -> [UInt8]?
    {
        if value.string != nil { return nil }
        if let plain = value.int.flatMap(UInt32.init(exactly:)), plain > 0 {
            return bytes(plain, 0)
        }
        let wanted =
            number == .queueSize
            ? "{\"qsize\":192} or {\"qsize\":192,\"function\":\"name\"}"
            : "{\"ifindex\":2}, {\"interface\":\"eth0\"}, and with it \"function\":\"name\""
        guard let object = value.object else {
            throw invalid("a value is a number or \(wanted)", pointer)
        }
        let names =
            [number.rawValue, "function", "bpf_prog"] + (number == .queueSize ? [] : ["interface"])
        for member in object where !names.contains(member.name) {
            throw invalid(
                "a value has no \"\(member.name)\", it is \(wanted)",
                pointer.appending(member.name))
        }
        var given = object[number.rawValue]?.int.flatMap(UInt32.init(exactly:))
        if let name = object["interface"]?.string, object[number.rawValue] == nil {
            given = NetworkInterface.index(of: name)
            guard given != nil else {
                throw invalid(
                    "\(name) is to be an interface of the daemon's network namespace, which has "
                        + "none of that name", pointer.appending("interface"))
            }
        }
        // To the kernel 0 means that the entry is to go.
        guard let given, given > 0 else {
            throw invalid("a value is a number from 1 on or \(wanted)", pointer)
        }
        guard let named = object["function"], named != .null else {
            return bytes(given, try descriptor(object["bpf_prog"], pointer.appending("bpf_prog")))
        }
        let place = pointer.appending("function")
        guard let name = named.string else { throw invalid("a function is a name", place) }
        let loaded = try function(name, place)
        let kind: AttachType = number == .queueSize ? .xdpCpumap : .xdpDevmap
        guard attachTypes[name] == kind.rawValue else {
            let section = number == .queueSize ? "xdp/cpumap" : "xdp/devmap"
            throw invalid("a function is one in SEC(\"\(section)\"), and \(name) is not", place)
        }
        return bytes(given, UInt32(loaded.lentDescriptor))
    }

    /// The bytes of a slot from those that are shown.
    func slot(shown bytes: [UInt8], _ pointer: JSONPointer) throws(Problem) -> [UInt8] {
        let id = UInt32(truncatingIfNeeded: number(bytes.span, 4, 4))
        return Array(bytes.prefix(4))
            + self.bytes(try descriptor(ofProgram: id, pointer), 0).prefix(4)
    }

    /// Of a function by the kernel's id, as a slot shows it; 0 for none.
    private func descriptor(_ value: JSONValue?, _ pointer: JSONPointer) throws(Problem) -> UInt32 {
        guard let value, value != .null else { return 0 }
        guard let id = value["id"]?.int.flatMap(UInt32.init(exactly:)) else {
            throw invalid("bpf_prog is {\"id\":77}; give the \"function\" by its name", pointer)
        }
        return try descriptor(ofProgram: id, pointer)
    }

    private func descriptor(ofProgram id: UInt32, _ pointer: JSONPointer) throws(Problem)
        -> UInt32
    {
        if id == 0 { return 0 }
        do {
            let program = try Program(id: id)
            keep(program)
            return UInt32(program.lentDescriptor)
        } catch {
            throw invalid("bpf_prog is a program of the kernel, which has none \(id)", pointer)
        }
    }

    private func bytes(_ number: UInt32, _ descriptor: UInt32) -> [UInt8] {
        [number, descriptor].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        }
    }

    /// Appends a slot: the function by the kernel's id, and by its name where it is ours.
    func write(
        _ slot: SlotNumber, _ number: UInt64, _ functionID: UInt64, _ json: inout JSONWriter
    ) {
        json.object {
            $0.member(slot.rawValue, number)
            $0.name("bpf_prog")
            $0.object { $0.member("id", functionID) }
            if let name = names[UInt32(truncatingIfNeeded: functionID)] {
                $0.member("function", name)
            }
        }
    }
}
