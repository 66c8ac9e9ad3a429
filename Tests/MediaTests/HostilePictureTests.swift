import Foundation
import Media
import Testing

/// Files that nobody should take for a picture, and mutations of sound ones.
@Suite struct HostilePictureTests {
    private struct Expectation: Decodable {
        let file, error, text: String
    }

    /// The files that hostile_pictures.py makes; some of them unfold to gigabytes, or to hours, where nothing bounds them.
    @Test func eachFileGetsItsError() throws {
        let scratch = try Scratch()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "hostile_pictures.py")
        _ = try run("python3", "-B", script.path(percentEncoded: false), scratch.url.path(percentEncoded: false))
        let table = try JSONDecoder().decode(
            [Expectation].self, from: Data(contentsOf: scratch.url.appending(path: "expected.json")))
        #expect(table.count >= 60)
        let before = try peakMemory()
        for row in table {
            let file = [UInt8](try Data(contentsOf: scratch.url.appending(path: row.file)))
            let time = ContinuousClock().measure {
                do throws(PictureError) {
                    _ = try Picture.decode(file)
                    #expect(row.error == "none", "\(row.file) was read")
                } catch {
                    #expect(name(error) == row.error, "\(row.file): \(error)")
                    #expect(row.text.isEmpty || error.description.contains(row.text), "\(row.file): \(error)")
                }
            }
            #expect(time < .seconds(10), "\(row.file)")
        }
        // The largest, a progressive JPEG within the limits, has 64 million coefficients.
        #expect(try peakMemory() - before < 512 << 20)
    }

    /// Bytes changed, cut out, doubled and swapped, the same in each run: all that may come of it is a picture of
    /// modest size or an error.
    @Test(arguments: [
        "rgb8.png", "palette4-trns.png", "gray16-trns.png", "rgba8-interlaced.png", "orientation6.png", "444.jpg",
        "420.jpg",
        "progressive.jpg", "cmyk-adobe.jpg", "ycck-adobe.jpg", "restarts.jpg", "orientation5.jpg", "lossy.webp",
        "lossless.webp",
        "lossy-alpha.webp", "lossless-alpha.webp", "orientation8.webp",
    ])
    func mutationsAreReadOrRefused(name: String) throws {
        let seed = try PictureFixtures.file(name)
        var mutations = Mutations(seed: UInt64(seed.count))
        let limits = PictureLimits(pixels: 1 << 18)
        var (read, refused) = (0, 0)
        for _ in 0..<300 {
            let file = mutations.next(of: seed)
            do throws(PictureError) {
                let image = try Picture.decodeRGBA(file, limits: limits)
                #expect(image.width * image.height <= limits.pixels)
                read += 1
            } catch {
                #expect(!error.description.isEmpty)
                refused += 1
            }
        }
        #expect(read + refused == 300 && refused > 20)
    }

    private func name(_ error: PictureError) -> String {
        switch error {
        case .empty: "empty"
        case .unknownFormat: "unknownFormat"
        case .unsupportedFormat: "unsupportedFormat"
        case .animated: "animated"
        case .tooManyPixels: "tooManyPixels"
        case .sideTooLong: "sideTooLong"
        case .truncated: "truncated"
        case .unreadable: "unreadable"
        case .outOfMemory: "outOfMemory"
        }
    }
}

/// Damages files. The same seed gives the same damage.
struct Mutations {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64.
    private mutating func random(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int(truncatingIfNeeded: (mixed ^ (mixed >> 31)) >> 1) % max(bound, 1)
    }

    /// Of every other PNG the checksums are made right again, so that what lies behind them is met too.
    mutating func next(of seed: [UInt8]) -> [UInt8] {
        let damaged = damaged(seed)
        return random(below: 2) == 0 ? damaged : Self.checked(damaged)
    }

    private mutating func damaged(_ seed: [UInt8]) -> [UInt8] {
        var file = seed
        for _ in 0..<1 + random(below: 4) where !file.isEmpty {
            let at = random(below: file.count)
            switch random(below: 7) {
            case 0: file[at] = UInt8(random(below: 256))
            case 1: file[at] ^= 1 << UInt8(random(below: 8))
            case 2: file[at] = [0, 0x7F, 0x80, 0xFF][random(below: 4)]
            case 3: file.removeSubrange(at..<min(at + 1 + random(below: 16), file.count))
            case 4: file.insert(contentsOf: file[at..<min(at + 1 + random(below: 32), file.count)], at: at)
            case 5: file.removeLast(random(below: file.count))
            default: file.swapAt(at, random(below: file.count))
            }
        }
        return file
    }

    /// The file with right checksums in its PNG chunks; another file as it is.
    private static func checked(_ file: [UInt8]) -> [UInt8] {
        guard file.starts(with: [0x89, 0x50, 0x4E, 0x47]) else { return file }
        var file = file
        var offset = 8
        while file.count - offset >= 12 {
            let length = file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= file.count - offset - 12 else { break }
            let end = offset + 8 + length
            var crc = UInt32.max
            for byte in file[offset + 4..<end] {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
            }
            file.replaceSubrange(end..<end + 4, with: withUnsafeBytes(of: (~crc).bigEndian) { Array($0) })
            offset = end + 4
        }
        return file
    }
}
