import Linux
import Testing

@Suite struct MappedFileTests {
    @Test func `what is written is there when it is opened again`() throws {
        try withDirectory { directory in
            let path = directory + "/segment"
            do {
                let file = try MappedFile(creating: path, size: 8192)
                #expect(file.size == 8192)
                unsafe file.base.storeBytes(of: 0x1122_3344, toByteOffset: 8188, as: UInt32.self)
            }
            let again = try MappedFile(opening: path)
            #expect(again.size == 8192)
            #expect(unsafe again.base.load(as: UInt64.self) == 0)
            #expect(
                unsafe again.base.load(fromByteOffset: 8188, as: UInt32.self) == 0x1122_3344)
            try again.unlink()
            #expect(!FileSystem.exists(path))
            #expect(
                unsafe again.base.load(fromByteOffset: 8188, as: UInt32.self) == 0x1122_3344)
        }
    }

    @Test func `an existing file is not made again, an empty one not opened`() throws {
        try withDirectory { directory in
            _ = try MappedFile(creating: directory + "/one", size: 4096)
            let exists = #expect(throws: Errno.self) {
                _ = try MappedFile(creating: directory + "/one", size: 4096)
            }
            #expect(exists == .eexist)
            let nothing: [UInt8] = []
            try FileSystem.replace(directory + "/empty", with: nothing.span)
            let empty = #expect(throws: Errno.self) {
                _ = try MappedFile(opening: directory + "/empty")
            }
            #expect(empty == .einval)
        }
    }

    @Test func `a file that cannot fit leaves nothing behind`() throws {
        try withDirectory { directory in
            let error = #expect(throws: Errno.self) {
                _ = try MappedFile(creating: directory + "/huge", size: 1 << 60)
            }
            #expect(error == .enospc || error == .efbig)
            #expect(!FileSystem.exists(directory + "/huge"))
        }
    }
}
