import Support
import Testing

@Suite struct SHA1Tests {
    /// The examples of FIPS 180, and lengths around the block as Python's hashlib has them.
    @Test(arguments: [
        ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
        ("a", 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
        ("a", 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
        ("a", 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
        ("a", 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
        ("a", 119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
        ("0123456", 1000, "c3a2d1e5359f9d375ee3f1ce19272edeb3144fc3"),
    ])
    func digests(text: String, times: Int, expected: String) {
        var hash = SHA1()
        // In parts, as a download comes.
        for _ in 0..<times { hash.update(text.utf8) }
        #expect(Hexadecimal.text(hash.finish()) == expected)
    }
}
