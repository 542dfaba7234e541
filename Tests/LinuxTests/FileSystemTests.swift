import Glibc
import Linux
import Testing

@Suite struct FileSystemTests {
    @Test func `a file that is not there is ENOENT`() {
        let error = #expect(throws: Errno.self) { _ = try FileSystem.read("/nonsense") }
        #expect(error == .enoent)
        #expect(FileSystem.text("/nonsense") == nil)
        #expect(FileSystem.kind("/nonsense") == nil)
    }

    @Test func `replacing gives the whole new file and leaves no other`() throws {
        try withDirectory { directory in
            let path = directory + "/state"
            try FileSystem.replace(path, with: Array("one\n".utf8).span)
            try FileSystem.replace(path, with: Array("two\n".utf8).span)
            #expect(FileSystem.text(path) == "two")
            #expect(try FileSystem.list(directory) == ["state"])
        }
    }

    @Test func `a file longer than the limit is refused`() throws {
        try withDirectory { directory in
            let path = directory + "/long"
            try FileSystem.replace(path, with: [UInt8](repeating: 1, count: 100).span)
            let error = #expect(throws: Errno.self) { _ = try FileSystem.read(path, limit: 99) }
            #expect(error == .efbig)
            #expect(try FileSystem.read(path, limit: 100).count == 100)
        }
    }

    @Test func `removing a tree removes links and not what they lead to`() throws {
        try withDirectory { directory in
            try FileSystem.makeDirectories(directory + "/tree/a/b")
            try FileSystem.replace(directory + "/kept", with: [1].span)
            #expect(unsafe symlink(directory, directory + "/tree/a/up") == 0)
            #expect(FileSystem.kind(directory + "/tree/a/up") == .symbolicLink)
            try FileSystem.removeTree(directory + "/tree")
            #expect(try FileSystem.list(directory) == ["kept"])
            try FileSystem.removeTree(directory + "/tree")
        }
    }

    @Test func `making a directory where a file is fails`() throws {
        try withDirectory { directory in
            try FileSystem.replace(directory + "/file", with: [1].span)
            let error = #expect(throws: Errno.self) {
                try FileSystem.makeDirectory(directory + "/file")
            }
            #expect(error == .eexist)
            try FileSystem.makeDirectory(directory)
        }
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b/c", "a/b")])
    func `the parent of a path`(path: String, parent: String) {
        #expect(FileSystem.parent(of: path) == parent)
    }
}

/// Gives a directory of its own that is gone afterwards.
func withDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/apiary-linuxtests-XXXXXX".utf8CString)
    try #require(unsafe mkdtemp(&template) != nil)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        do { try FileSystem.removeTree(path) } catch { Issue.record("\(path): \(error)") }
    }
    try body(path)
}
