public import Linux

/// The file system that pins live in.
public enum BPFFileSystem {
    /// Makes our directory, and mounts a bpffs where there is none: on /sys/fs/bpf for a directory
    /// below it, else on the directory itself.
    /// - Returns: where one was mounted; nil where one was there.
    /// - Throws: `EPERM` without CAP_SYS_ADMIN; `EROFS`.
    public static func ensure(_ directory: String) throws(Errno) -> String? {
        var mounted: String?
        if try !isIn(directory) {
            let place = directory.hasPrefix("/sys/fs/bpf/") ? "/sys/fs/bpf" : directory
            if place == directory { try FileSystem.makeDirectories(directory) }
            try FileSystem.mount("bpf", at: place)
            mounted = place
        }
        try FileSystem.makeDirectories(directory, mode: 0o700)
        return mounted
    }

    private static func isIn(_ directory: String) throws(Errno) -> Bool {
        var path = directory
        while !FileSystem.exists(path) { path = FileSystem.parent(of: path) }
        if case .bpf = try FileSystem.volume(path) { return true }
        return false
    }
}
