import Linux
import Testing

@Suite struct FileSystemTests {
    @Test func `a file that is not there is ENOENT`() {
        let error = #expect(throws: Errno.self) { _ = try FileSystem.read("/nonsense") }
        #expect(error == .enoent)
    }
}
