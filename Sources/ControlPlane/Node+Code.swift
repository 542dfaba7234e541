internal import BPF
internal import BTF
internal import Linux
public import Problems

extension Node {
    /// The instructions of a function as the kernel holds them, one a line as bpftool writes them,
    /// with the lines of C where the object has BTF.
    /// - Throws: `not_found`; `conflict` where the program is not loaded; `kernel_forbids`.
    public func xlated(_ program: String, _ function: String) throws(Problem) -> ProbeOutput {
        let code = try code(program, function)
        guard !code.instructions.isEmpty else {
            throw hidden("instructions", of: program, function)
        }
        var text = ""
        let types = types(of: code)
        var lines = code.lines[...]
        for row in disassembly(of: code).lines {
            if let types, let part = code.parts.first(where: { $0.instruction == row.index }) {
                if row.index > 0 { text += "\n" }
                text += types.name(of: part.typeID) + ":\n"
            }
            while let line = lines.first, line.instruction <= row.index {
                if let types { text += "; " + Self.trimmed(types.text(at: line.text)) + "\n" }
                lines = lines.dropFirst()
            }
            let index = String(row.index)
            text += String(repeating: " ", count: max(0, 4 - index.utf8.count)) + index
            text += ": " + row.text + "\n"
        }
        return try output(text)
    }

    /// The machine code of a function, 16 bytes a line in hex behind their address.
    /// - Throws: `host_lacks` where there is no JIT; else as `xlated`.
    public func jited(_ program: String, _ function: String) throws(Problem) -> ProbeOutput {
        let code = try code(program, function)
        guard code.machineCodeBytes > 0 else {
            throw Problem(
                .hostLacks,
                "\(program).\(function) has no machine code: the kernel interprets it "
                    + "(net.core.bpf_jit_enable is 0, or there is no JIT).")
        }
        guard !code.machineCode.isEmpty, !code.addresses.isEmpty else {
            throw hidden("machine code", of: program, function)
        }
        let types = types(of: code)
        var text = ""
        var start = 0
        for (index, length) in code.lengths.enumerated() where index < code.addresses.count {
            let part = index < code.parts.count ? code.parts[index] : nil
            let name = part.flatMap { types?.name(of: $0.typeID) } ?? code.name
            if index > 0 { text += "\n" }
            text += "\(name): \(length) bytes\n"
            let end = min(start + length, code.machineCode.count)
            for at in stride(from: start, to: end, by: 16) {
                let address = code.addresses[index] + UInt64(at - start)
                let row = code.machineCode[at..<min(at + 16, end)]
                text += "0x" + String(address, radix: 16) + ":"
                for byte in row { text += (byte < 16 ? " 0" : " ") + String(byte, radix: 16) }
                text += "\n"
            }
            start = end
        }
        return try output(text)
    }

    private func code(_ program: String, _ function: String) throws(Problem) -> ProgramCode {
        let loaded = try heldFunction(program, function)
        do { return try loaded.code() } catch {
            throw Problem(error, while: "show the code of \(program).\(function)")
        }
    }

    /// A function that the kernel holds now.
    /// - Throws: `not_found`, with near matches; `conflict` where the program is not loaded.
    func heldFunction(_ program: String, _ function: String) throws(Problem) -> Program {
        let view = try self.program(program)
        guard view.functions.contains(where: { $0.report.name == function }) else {
            throw view.missing(function)
        }
        guard let found = view.loaded?.functions[function] else {
            throw Problem(.conflict, "Program \(program) is not loaded, so it has no code now.")
        }
        return found
    }

    private func hidden(_ what: String, of program: String, _ function: String) -> Problem {
        let restriction = FileSystem.text("/proc/sys/kernel/kptr_restrict") ?? "unknown"
        return Problem(
            .kernelForbids,
            "The kernel does not show the \(what) of \(program).\(function): kernel.kptr_restrict "
                + "is \(restriction), and it shows them with 0 or 1 to who has CAP_SYSLOG and "
                + "CAP_BPF.")
    }

    private func types(of code: ProgramCode) -> BTFTypes? {
        guard code.btfID != 0 else { return nil }
        // Without its types the code is shown without lines of C.
        do { return try KernelTypes.types(id: code.btfID) } catch { return nil }
    }

    private func disassembly(of code: ProgramCode) -> Disassembly {
        let plain = Disassembly(code.instructions)
        var calls: [Int: String] = [:]
        let kernel = plain.kernelCalls
        let names = KernelAddresses.names(ofCalls: Set(kernel.map(\.immediate)))
        for call in kernel { calls[call.index] = names[call.immediate] }
        let own = plain.subprogramCalls
        var callees: [Int: UInt64] = [:]
        for call in own where code.addresses.indices.contains(Int(call.callee)) {
            callees[call.index] = code.addresses[Int(call.callee)]
        }
        let symbols = KernelAddresses.names(at: Set(callees.values))
        for (index, address) in callees {
            calls[index] = symbols[address] ?? "0x" + String(address, radix: 16)
        }
        return Disassembly(code.instructions, calls: calls)
    }

    private func output(_ text: String) throws(Problem) -> ProbeOutput {
        let bytes = Array(text.utf8)
        do {
            return ProbeOutput(
                file: try MemoryFile("apiary-code", holding: bytes.span), sizeBytes: bytes.count)
        } catch {
            throw Problem(error, while: "keep the text in memory")
        }
    }

    private static func trimmed(_ text: String) -> Substring {
        text.drop { $0 == " " || $0 == "\t" }
    }
}

extension ProgramView {
    /// - Returns: `not_found`, with what there is.
    public func missing(_ function: String) -> Problem {
        Problem(
            .notFound, "Program \(row.name) has no function \(function).",
            hint: functions.isEmpty
                ? nil
                : "It has " + functions.prefix(20).map(\.report.name).joined(separator: ", ") + ".")
    }
}
