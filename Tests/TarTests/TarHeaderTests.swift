import Tar
import Testing

struct TarHeaderTests {
    @Test(arguments: [0, 1, 511, 512, 513, 0o777_7777_7777])
    func `a header reads back as it was written`(size: Int) throws {
        let header = TarHeader(
            name: "objects/" + String(repeating: "a", count: 64), sizeBytes: size,
            modifiedAt: 1_700_000_000)
        #expect(header.bytes.count == 512)
        #expect(try TarHeader(header.bytes) == header)
        #expect((size + header.paddingBytes) % 512 == 0)
    }

    @Test func `zeros end the archive`() throws {
        #expect(try TarHeader([UInt8](repeating: 0, count: 512)) == nil)
    }

    @Test func `a changed byte, a short block and other kinds of files are refused`() {
        let good = TarHeader(name: "a", sizeBytes: 5, modifiedAt: 0).bytes
        for place in [0, 124, 156, 511] {
            var bad = good
            bad[place] ^= 1
            #expect(throws: TarError.self, "\(place)") { try TarHeader(bad) }
        }
        #expect(throws: TarError.self) { try TarHeader(Array(good.dropLast())) }
        #expect(throws: TarError.self) { try TarHeader([UInt8](repeating: 0xFF, count: 512)) }
    }
}
