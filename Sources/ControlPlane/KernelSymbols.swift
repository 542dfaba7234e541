internal import Linux

/// The kernel's functions by their addresses, from /proc/kallsyms.
final class KernelSymbols: Sendable {
    /// Read at the first use, 10 MB of text in some 100 ms; nil where the kernel hides addresses
    /// (`kernel.kptr_restrict`) or has no such file. Modules that come later have no names.
    static let shared = KernelSymbols()

    private let addresses: [UInt64]
    private let names: [String]

    private init?() {
        let text: [UInt8]
        do { text = try FileSystem.read("/proc/kallsyms") } catch { return nil }
        var found: [(address: UInt64, name: String)] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(maxSplits: 3) { $0 == UInt8(ascii: " ") || $0 == 9 }
            guard fields.count >= 3, let kind = fields[1].first, kind | 0x20 == UInt8(ascii: "t"),
                let address = UInt64(String(decoding: fields[0], as: UTF8.self), radix: 16),
                address != 0
            else { continue }
            found.append((address, String(decoding: fields[2], as: UTF8.self)))
        }
        guard !found.isEmpty else { return nil }
        found.sort { $0.address < $1.address }
        addresses = found.map(\.address)
        names = found.map(\.name)
    }

    /// The function in which an address lies; nil for addresses of user space.
    func find(_ address: UInt64) -> (name: String, offset: UInt64)? {
        guard address >= 1 << 63 else { return nil }
        var (low, high) = (0, addresses.count)
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        return (names[low - 1], address - addresses[low - 1])
    }
}
