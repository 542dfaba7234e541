internal import Linux
internal import Synchronization

/// Room on the state directory's disk that is kept for what makes room: when the disk is full,
/// probes and programs can still be detached and deleted.
///
/// A file of some MiB, given up for a removal that finds no room, and made again when there is.
final class Reserve: Sendable {
    private let path: String
    private let sizeBytes: Int
    private let isHeld: Mutex<Bool>

    /// 4 MiB, of a small file system a sixteenth: enough for thousands of removals.
    init(in directory: String) {
        path = directory + "/reserve"
        var size = 4 << 20
        // A file system that does not tell its size has the usual one.
        if let space = try? FileSystem.space(directory) {
            size = min(size, max(64 << 10, space.totalBytes / 16))
        }
        sizeBytes = size
        isHeld = Mutex(false)
        take()
    }

    /// Makes the reserve where it was given up.
    /// - Returns: false where there is no room for it: then there is none for other changes.
    @discardableResult
    func take() -> Bool {
        isHeld.withLock { isHeld in
            if isHeld { return true }
            do {
                let file = try FileDescriptor.open(path, [.readWrite, .create, .noFollow])
                try file.allocate(sizeBytes)
                isHeld = true
            } catch {
                // Half a reserve takes room from what is to be freed.
                try? FileSystem.unlink(path)
            }
            return isHeld
        }
    }

    /// Gives the room to a removal.
    func giveUp() {
        isHeld.withLock { isHeld in
            isHeld = false
            // What cannot be removed is no room; the removal then says so.
            try? FileSystem.unlink(path)
        }
    }
}
