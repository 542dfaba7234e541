internal import Linux
internal import Synchronization

/// Names of kernel functions that programs call, by the distance from `__bpf_call_base` that an
/// instruction holds. What was found once is kept: there are a few hundred helpers.
public enum KernelAddresses {
    private static let known = Mutex<[Int32: String]>([:])

    /// - Returns: those that /proc/kallsyms tells; none where `kernel.kptr_restrict` hides
    ///   addresses.
    /// - Note: 10 MB of text are read for what is not yet known, some 50 ms.
    public static func names(ofCalls distances: Set<Int32>) -> [Int32: String] {
        let found = known.withLock { known in known.filter { distances.contains($0.key) } }
        let missing = distances.subtracting(found.keys)
        guard !missing.isEmpty else { return found }
        let more = search(missing)
        known.withLock { $0.merge(more) { $1 } }
        return found.merging(more) { $1 }
    }

    /// Names of the symbols at these addresses, programs' own among them.
    public static func names(at addresses: Set<UInt64>) -> [UInt64: String] {
        guard !addresses.isEmpty else { return [:] }
        var found: [UInt64: String] = [:]
        for line in lines() {
            guard let address = address(of: line), addresses.contains(address) else { continue }
            if found[address] == nil { found[address] = name(in: line) }
        }
        return found
    }

    private static func search(_ distances: Set<Int32>) -> [Int32: String] {
        let lines = lines()
        let wanted = Array(" __bpf_call_base".utf8)
        guard let base = lines.first(where: { $0.suffix(wanted.count).elementsEqual(wanted) }),
            let start = address(of: base), start != 0
        else { return [:] }
        var addresses: [UInt64: Int32] = [:]
        for distance in distances {
            addresses[start &+ UInt64(bitPattern: Int64(distance))] = distance
        }
        var found: [Int32: String] = [:]
        for line in lines {
            guard let address = address(of: line), let distance = addresses[address] else {
                continue
            }
            if found[distance] == nil { found[distance] = name(in: line) }
        }
        return found
    }

    private static func lines() -> [ArraySlice<UInt8>] {
        // Without the file no call has a name.
        do {
            return try FileSystem.read("/proc/kallsyms").split(separator: UInt8(ascii: "\n"))
        } catch { return [] }
    }

    /// "ffffffff81000000 T _text", and of a module or a program a tab and "[name]".
    private static func address(of line: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for byte in line {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(byte - 0x61 + 10)
            default: return byte == UInt8(ascii: " ") ? value : nil
            }
        }
        return nil
    }

    private static func name(in line: ArraySlice<UInt8>) -> String {
        let text = line.split(separator: UInt8(ascii: " "), maxSplits: 2).last ?? []
        return String(decoding: text.prefix { $0 != 9 }, as: UTF8.self)
    }
}
