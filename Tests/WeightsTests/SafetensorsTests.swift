import Foundation
import Tensor
import TestSupport
import Testing
import Weights

/// A folder that is gone after the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ bytes: [UInt8], _ name: String = "w.safetensors") throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// The bytes of a safetensors file with this header text.
func safetensors(_ header: String, data: [UInt8] = [], announcedLength: UInt64? = nil) -> [UInt8] {
    let length = announcedLength ?? UInt64(header.utf8.count)
    return withUnsafeBytes(of: length.littleEndian, Array.init) + Array(header.utf8) + data
}

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/wan22-tiny").path

@Suite struct SafetensorsTests {
    @Test func readsEveryStoredType() throws {
        let folder = try TemporaryFolder()
        // 1.5 in each floating-point type, then 3 in integer types.
        let data: [UInt8] =
            [0, 0, 0, 0, 0, 0, 0xf8, 0x3f] + [0, 0, 0xc0, 0x3f] + [0, 0x3e] + [0xc0, 0x3f] + [3, 0, 0, 0, 0, 0, 0, 0]
            + [3, 0, 0, 0] + [3]
        let header = """
            {"__metadata__":{"format":"pt"},
             "a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},
             "b":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},
             "c":{"dtype":"F16","shape":[1],"data_offsets":[12,14]},
             "d":{"dtype":"BF16","shape":[1],"data_offsets":[14,16]},
             "e":{"dtype":"I64","shape":[],"data_offsets":[16,24]},
             "f":{"dtype":"I32","shape":[1],"data_offsets":[24,28]},
             "g":{"dtype":"U8","shape":[1],"data_offsets":[28,29]},
             "empty":{"dtype":"F32","shape":[0,4],"data_offsets":[29,29]}}
            """
        let file = try Safetensors(path: folder.write(safetensors(header, data: data)))
        #expect(file.metadata == ["format": "pt"])
        for name in ["a", "b", "c", "d"] { #expect(file.tensors[name]?.widened().array == [1.5]) }
        for name in ["e", "f", "g"] { #expect(file.tensors[name]?.widened().array == [3]) }
        #expect(file.tensors["b"]?.shape == [1, 1])
        #expect(file.tensors["e"]?.shape == [])
        #expect(file.tensors["empty"]?.count == 0)
    }

    /// Each damaged file and what its message must tell.
    static let damaged: [(String, [UInt8], [String])] = {
        func one(_ entry: String, data: Int = 8) -> [UInt8] {
            safetensors("{\"w\":\(entry)}", data: [UInt8](repeating: 0, count: data))
        }
        return [
            ("no bytes", [], ["empty"]),
            ("shorter than the length field", [1, 2, 3], ["3 bytes"]),
            ("length beyond the file", safetensors("{}", announcedLength: 1000), ["1000 bytes"]),
            ("absurd length", safetensors("{}", announcedLength: .max), ["18446744073709551615"]),
            ("header is no JSON", safetensors("{\"w\":"), ["not JSON"]),
            ("header is a list", safetensors("[]"), ["not a JSON object"]),
            ("entry is a number", one("3"), ["\"w\"", "not an object"]),
            ("no dtype", one("{\"shape\":[2],\"data_offsets\":[0,8]}"), ["\"w\"", "no dtype"]),
            ("unknown dtype", one("{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}"), ["\"w\"", "F99"]),
            ("negative shape", one("{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}"), ["\"w\"", "shape"]),
            ("fractional shape", one("{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}"), ["shape"]),
            (
                "shape of booleans", one("{\"dtype\":\"F32\",\"shape\":[true],\"data_offsets\":[0,4]}", data: 4),
                ["shape"]
            ),
            (
                "shape that overflows",
                one("{\"dtype\":\"F32\",\"shape\":[4611686018427387904,16],\"data_offsets\":[0,8]}"), ["too large"]
            ),
            ("three offsets", one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}"), ["data_offsets"]),
            ("offsets reversed", one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}"), ["data_offsets"]),
            ("offsets past the end", one("{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}"), ["8 bytes"]),
            (
                "size does not match", one("{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}"),
                ["needs 12", "span 8"]
            ),
            (
                "bytes of nobody", one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"),
                ["4 bytes", "no tensor"]
            ),
            (
                "overlap",
                safetensors(
                    """
                    {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                     "b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}
                    """, data: [UInt8](repeating: 0, count: 8)), ["\"b\"", "overlaps", "\"a\""]
            ),
            (
                "hole",
                safetensors(
                    """
                    {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                     "b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}
                    """, data: [UInt8](repeating: 0, count: 12)), ["\"b\"", "4 bytes unused"]
            ),
            (
                "two of one name",
                safetensors(
                    """
                    {"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
                     "a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}
                    """), ["\"a\"", "twice"]
            ),
            (
                "more tensors than any model has",
                safetensors(
                    "{"
                        + (0...1 << 17).map { "\"\($0)\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}" }
                        .joined(separator: ",") + "}"), ["131072 tensors"]
            ),
            (
                "shape of too many axes",
                one(
                    "{\"dtype\":\"U8\",\"shape\":[\(Array(repeating: "1", count: 33).joined(separator: ","))],\"data_offsets\":[0,1]}",
                    data: 1),
                ["shape"]
            ),
            ("text after the object", safetensors("{} {}"), ["JSON", "more after"]),
            ("metadata of numbers", safetensors("{\"__metadata__\":{\"a\":1}}"), ["__metadata__"]),
            ("deep nesting", safetensors(String(repeating: "[", count: 100_000)), ["JSON"]),
        ]
    }()

    @Test(arguments: damaged.indices) func damagedFileIsRefused(index: Int) throws {
        let (name, bytes, words) = Self.damaged[index]
        let folder = try TemporaryFolder()
        let path = try folder.write(bytes)
        let error = #expect(throws: WeightError.self, "\(name)") { try Safetensors(path: path) }
        let message = "\(try #require(error))"
        #expect(message.contains(path), "\(name): \(message)")
        for word in words { #expect(message.contains(word), "\(name): \(message)") }
    }

    /// Escapes, blanks and fields of other tools.
    @Test func jsonIsReadInAllItsForms() throws {
        let folder = try TemporaryFolder()
        let header = #"""
             { "\u0061\"\ud83d\ude00" : { "note": {"x":[1,"]",{}]}, "shape" : [ 2 , 0 ], "data_offsets":[0,0], "dtype":"\u0046\u0033\u0032"} ,
            "b":{"data_offsets":[0,1],"dtype":"u8","shape":[ ]},"__metadata__":{"k\n":"\t","empty":""} }  
            """#
        let path = try folder.write(safetensors(header, data: [9]))
        let file = try Safetensors(path: path)
        #expect(file.tensors["a\"\u{1F600}"]?.shape == [2, 0])
        #expect(file.tensors["b"]?.widened().array == [9])
        #expect(file.metadata == ["k\n": "\t", "empty": ""])
    }

    /// The longest header allowed, nearly all of it one text of the metadata: it takes a few times its own size at most.
    @Test func aLongHeaderTakesLittleMemory() throws {
        func resident() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM") })
            return try #require(Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1])) * 1024
        }
        let folder = try TemporaryFolder()
        let count = 100_000
        let filler = String(repeating: "x", count: 750)
        var text = "{\"__metadata__\":{\"format\":\"pt\"}"
        for index in 0..<count {
            text += ",\"\(index)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"note\":\"\(filler)\"}"
        }
        let path = try folder.write(safetensors(text + "}"))
        text = ""
        try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        let before = try resident()
        #expect(try Safetensors(path: path).tensors.count == count)
        #expect(try resident() - before < 300 << 20)
    }

    @Test func folderInPlaceOfAFileIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: WeightError.self) { try Safetensors(path: folder.path) }
        #expect(throws: WeightError.self) { try Safetensors(path: "\(folder.path)/absent") }
    }

    /// Real headers with bytes changed, cut or repeated: an error or a file that reads, never a trap.
    @Test func mutatedFilesNeverTrap() throws {
        let folder = try TemporaryFolder()
        let original = try [UInt8](
            Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/lora/high_noise_lightning.safetensors")))
        var random = SplitMix64(seed: 7)
        var refused = 0
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // Most changes in the header, where they matter.
                let end = Bool.random(using: &random) ? 200 : min(9000, bytes.count)
                let place = Int.random(in: 0..<min(end, bytes.count), using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 32...126, using: &random), at: place)
                }
            }
            if Int.random(in: 0..<10, using: &random) == 0 { bytes.removeLast(bytes.count / 2) }
            let path = try folder.write(bytes)
            do {
                let file = try Safetensors(path: path)
                for tensor in file.tensors.values { _ = tensor.widened() }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1000)
    }
}
