import HTTP
import TestSupport
import Testing

enum Fuzz {
    static let seeds: [[UInt8]] = [
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "GET /v1/videos/%41?limit=2&after=x+y HTTP/1.1\r\nHost: [::1]:80\r\nRange: bytes=0-5\r\n\r\n",
        "GET http://h/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nOrigin: https://example.org\r\n\r\n",
    ].map { Array($0.utf8) }

    /// Bytes that mean something to a parser, to hit its edges more often than chance would.
    private static let spices: [[UInt8]] = [
        "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", ":", "\0", "%", "%2e%2e", "/", "..", "0", "-1", "ffffffffffffffff",
        "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "HTTP/1.1", ";", ",", "99999999999999999999",
    ].map { Array($0.utf8) }

    /// A mutation of a real request, or (one in eight) random bytes.
    static func input(_ dice: inout SplitMix64) -> [UInt8] {
        if Int.random(in: 0..<8, using: &dice) == 0 {
            return (0..<Int.random(in: 0..<300, using: &dice)).map { _ in UInt8.random(in: .min ... .max, using: &dice)
            }
        }
        var bytes = seeds[Int.random(in: 0..<seeds.count, using: &dice)]
        for _ in 0..<Int.random(in: 1...6, using: &dice) {
            let place = Int.random(in: 0...bytes.count, using: &dice)
            switch Int.random(in: 0..<6, using: &dice) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: .min ... .max, using: &dice)
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 0..<10, using: &dice)))
            case 3: bytes.insert(contentsOf: bytes.prefix(place).suffix(20), at: place)
            case 4: bytes.removeSubrange(place...)
            default: bytes.insert(contentsOf: spices[Int.random(in: 0..<spices.count, using: &dice)], at: place)
            }
        }
        return bytes
    }
}

@Suite struct ParserFuzzTests {
    /// No input crashes the parser or gets it into a loop, and how it is cut into pieces changes nothing.
    @Test(arguments: [1, 2, 3, 4])
    func survives(seed: UInt64) {
        var dice = SplitMix64(seed: seed)
        var refusals = 0
        for _ in 0..<2500 {
            let bytes = Fuzz.input(&dice)
            let whole = Parsed(bytes, bodyLimit: 1000)
            let pieces = Parsed(bytes, piece: Int.random(in: 1...40, using: &dice), bodyLimit: 1000)
            guard whole == pieces else {
                Issue.record("\(String(decoding: bytes, as: UTF8.self).debugDescription) depends on its pieces")
                continue
            }
            if whole.error != nil { refusals += 1 }
            for request in whole.requests {
                // What passed is what a second reading of the rules says may pass.
                #expect(!request.head.target.segments.contains { $0 == "." || $0 == ".." || $0.utf8.contains(0) })
                #expect(request.body.count <= 1000)
                let lengths = request.head.headers.all("content-length")
                #expect(lengths.count + request.head.headers.all("transfer-encoding").count <= 1)
                if let length = lengths.first, request.isWhole { #expect(Int(length) == request.body.count) }
            }
        }
        #expect((500..<2500).contains(refusals))
    }
}
