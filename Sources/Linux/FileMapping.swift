/// A part of a file in a process's memory, a line of /proc/PID/maps.
public struct FileMapping: Sendable, Hashable {
    public let start: UInt64
    public let end: UInt64
    public let isExecutable: Bool
    /// Of the first byte in the file.
    public let offset: UInt64
    public let inode: UInt64
    /// As the process's mount namespace has it.
    public let path: String

    /// nil where there is no such process, or it may not be looked at.
    public static func all(ofProcess id: Int32) -> [FileMapping]? {
        guard let text = FileSystem.text("/proc/\(id)/maps") else { return nil }
        return text.split(separator: "\n").compactMap { FileMapping(line: $0) }
    }

    /// `7f3c00000000-7f3c00021000 r-xp 00001000 08:01 12345   /usr/lib/libc.so.6`; nil of memory
    /// that is no file's.
    init?(line: Substring) {
        let words = line.split(separator: " ", maxSplits: 5)
        guard words.count == 6 else { return nil }
        let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        guard ends.count == 2, ends[0] < ends[1], let offset = UInt64(words[2], radix: 16),
            let inode = UInt64(words[4]), inode != 0
        else { return nil }
        start = ends[0]
        end = ends[1]
        isExecutable = words[1].contains("x")
        self.offset = offset
        self.inode = inode
        path = String(words[5].drop { $0 == " " })
    }

    /// nil where that byte of the file is not in this part.
    public func address(ofFileOffset place: UInt64) -> UInt64? {
        guard place >= offset, place - offset < end - start else { return nil }
        return start + (place - offset)
    }
}
