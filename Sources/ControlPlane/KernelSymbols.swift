internal import Linux

/// The kernel's functions by their addresses, from /proc/kallsyms.
final class KernelSymbols: Sendable {
    /// Read at the first use, 10 MB of text in some 50 ms, of which 3 MB stay; nil where the kernel
    /// hides addresses (`kernel.kptr_restrict`) or has no such file.
    /// Modules that come later have no names.
    static let shared = KernelSymbols()

    private struct Symbol {
        let address: UInt64
        /// Its name in `names`.
        let nameStart: UInt32
        let nameEnd: UInt32
    }

    /// By address.
    private let symbols: [Symbol]
    private let names: [UInt8]

    private init?() {
        let text: [UInt8]
        do { text = try FileSystem.read("/proc/kallsyms") } catch { return nil }
        var (symbols, names): ([Symbol], [UInt8]) = ([], [])
        Self.parse(text.span, &symbols, &names)
        guard !symbols.isEmpty else { return nil }
        symbols.sort { $0.address < $1.address }
        self.symbols = symbols
        self.names = names
    }

    /// Lines such as "ffffffff81000000 T _text", and of a module a tab and "[name]".
    private static func parse(
        _ text: Span<UInt8>, _ symbols: inout [Symbol], _ names: inout [UInt8]
    ) {
        var index = 0
        while index < text.count {
            var address: UInt64 = 0
            while index < text.count, let digit = hexDigit(text[index]) {
                address = address << 4 | UInt64(digit)
                index += 1
            }
            // A space, the kind, a space.
            let isFunction =
                index + 3 < text.count && text[index + 1] | 0x20 == UInt8(ascii: "t")
            let start = names.count
            index += 3
            while index < text.count, text[index] > UInt8(ascii: " ") {
                if isFunction { names.append(text[index]) }
                index += 1
            }
            if address != 0, names.count > start {
                symbols.append(
                    Symbol(
                        address: address, nameStart: UInt32(start), nameEnd: UInt32(names.count)))
            }
            while index < text.count, text[index] != UInt8(ascii: "\n") { index += 1 }
            index += 1
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// The function in which an address lies; nil for addresses of user space.
    func find(_ address: UInt64) -> (name: String, offset: UInt64)? {
        guard address >= 1 << 63 else { return nil }
        var (low, high) = (0, symbols.count)
        while low < high {
            let middle = (low + high) / 2
            if symbols[middle].address <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        let symbol = symbols[low - 1]
        let name = names[Int(symbol.nameStart)..<Int(symbol.nameEnd)]
        return (String(decoding: name, as: UTF8.self), address - symbol.address)
    }
}
