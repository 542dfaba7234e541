/// A descriptor with several holders, closed with the last of them.
public final class SharedDescriptor: Sendable {
    public let descriptor: FileDescriptor

    public init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}
