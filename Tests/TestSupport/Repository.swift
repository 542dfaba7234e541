internal import Foundation

/// Where the sources and the built binaries are.
public enum Repository {
    /// The working copy: `APIARY_SOURCE_DIR` where the tests run away from it, as in a guest.
    public static let root: String =
        ProcessInfo.processInfo.environment["APIARY_SOURCE_DIR"]
        ?? String(#filePath.dropLast("/Tests/TestSupport/Repository.swift".count))

    /// Beside the running test bundle: `.build/debug`.
    public static let buildDirectory: String = {
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let beside = executable.deletingLastPathComponent().path
        if FileManager.default.fileExists(atPath: beside + "/apiary") { return beside }
        return root + "/.build/debug"
    }()

    /// A compiled object by its file name: a test's, or a bundled one.
    public static func object(_ name: String) -> String {
        if name.hasPrefix("/") { return name }
        let tests = root + "/.build/bpf/tests/" + name
        return FileManager.default.fileExists(atPath: tests) ? tests : root + "/.build/bpf/" + name
    }

    /// The text of a file of the working copy.
    public static func text(_ path: String) throws -> String {
        try String(contentsOfFile: root + "/" + path, encoding: .utf8)
    }

    /// Paths below `directory`, from the root on, sorted; hidden files are left out.
    public static func files(below directory: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: root + "/" + directory)
        var result: [String] = []
        while let name = names?.nextObject() as? String {
            var isDirectory: ObjCBool = false
            let path = directory + "/" + name
            let exists = unsafe FileManager.default.fileExists(
                atPath: root + "/" + path, isDirectory: &isDirectory)
            let isHidden = name.split(separator: "/").contains { $0.hasPrefix(".") }
            if exists && !isDirectory.boolValue && !isHidden { result.append(path) }
        }
        return result.sorted()
    }
}
