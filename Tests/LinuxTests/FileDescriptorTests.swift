import Linux
import Testing

@Suite struct FileDescriptorTests {
    @Test func `a descriptor is closed with its owner`() throws {
        try withDirectory { directory in
            try FileSystem.replace(directory + "/file", with: [1].span)
            let inode = try FileSystem.identity(directory + "/file").inode
            let file = try FileDescriptor.open(directory + "/file")
            let path = "/proc/self/fd/\(file.raw)"
            #expect(try FileSystem.identity(path).inode == inode)
            _ = consume file
            // The number may be another file's by now, opened by a test that runs beside this.
            do {
                #expect(try FileSystem.identity(path).inode != inode)
            } catch {
                #expect(error as? Errno == .enoent)
            }
        }
    }

    @Test func `a released descriptor is the caller's`() throws {
        let raw = try FileDescriptor.open("/dev/null").release()
        let owner = FileDescriptor(owning: raw)
        #expect(try owner.read(atMost: 10).isEmpty)
    }

    @Test func `a duplicate shares the position`() throws {
        let file = try MemoryFile("shared", holding: Array("abcdef".utf8).span)
        let reader = try FileDescriptor.open("/proc/self/fd/\(file.descriptor.raw)")
        let other = try reader.duplicate()
        #expect(try reader.read(atMost: 2) == Array("ab".utf8))
        #expect(try other.read(atMost: 2) == Array("cd".utf8))
        #expect(try reader.read(at: 0, atMost: 3) == Array("abc".utf8))
        #expect(try reader.readAll() == Array("ef".utf8))
        #expect(try reader.size() == 6)
    }

    @Test func `reading all stops at the limit`() throws {
        let error = #expect(throws: Errno.self) {
            _ = try FileDescriptor.open("/dev/zero").readAll(limit: 100_000)
        }
        #expect(error == .efbig)
    }

    @Test func `a sealed memory file refuses change`() throws {
        let file = try MemoryFile("sealed", holding: [1, 2, 3].span)
        try file.seal()
        let error = #expect(throws: Errno.self) { try file.append([4].span) }
        #expect(error == .eperm)
        #expect(try file.contents() == [1, 2, 3])
    }
}
