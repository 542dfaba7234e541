internal import Glibc

enum PageSize {
    /// Of the running kernel: 4096, on arm64 also 16384 or 65536.
    static var bytes: Int { Int(getpagesize()) }
}
