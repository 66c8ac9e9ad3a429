import Foundation
import Tensor
import TestSupport
import Testing
import Weights

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/gguf")

/// Writes GGUF headers field by field, so that tests can get each of them wrong.
private struct Bytes {
    var data: [UInt8] = []

    mutating func put<I: FixedWidthInteger>(_ value: I) {
        withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
    }

    mutating func put(_ text: String, announced: UInt64? = nil) {
        put(announced ?? UInt64(text.utf8.count))
        data += Array(text.utf8)
    }

    /// A header up to its metadata.
    static func header(
        version: UInt32 = 3, tensors: UInt64, metadata: UInt64 = 0, _ rest: (inout Bytes) -> Void = { _ in }
    ) -> [UInt8] {
        var bytes = Bytes()
        bytes.data = Array("GGUF".utf8)
        bytes.put(version)
        bytes.put(tensors)
        bytes.put(metadata)
        rest(&bytes)
        return bytes.data
    }

    mutating func tensor(_ name: String, _ extents: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) {
        put(name)
        put(UInt32(extents.count))
        extents.forEach { put($0) }
        put(type)
        put(offset)
    }

    mutating func pad(then count: Int) {
        data += [UInt8](repeating: 0, count: (32 - data.count % 32) % 32 + count)
    }
}

@Suite struct GGUFTests {
    private static let path = fixtures.appending(path: "types.gguf").path

    /// The file was written by the gguf package, the values read by it.
    @Test func everyTypeHasTheReferenceValues() throws {
        let file = try GGUF(MappedFile(path: Self.path))
        let quantised: [ElementType] = [.q8x0, .q4x0, .q4x1, .q5x0, .q5x1, .q2k, .q3k, .q4k, .q5k, .q6k]
        for type in quantised {
            let tensor = try #require(file.tensors["kind.\(type.rawValue)"])
            let values = try Data(contentsOf: fixtures.appending(path: "\(type.rawValue).f32"))
                .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(tensor.type == type)
            #expect(tensor.shape == [2, 3 * type.blockElements])
            let largest = values.reduce(0) { max($0, abs($1)) }
            let worst = zip(tensor.widened().array, values).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= largest * 0x1p-22, "\(type): \(worst)")
        }
        let ramp = (0..<40).map { Float($0) / 2 }
        for type in [ElementType.f32, .f16, .bf16, .f64] {
            let tensor = try #require(file.tensors["kind.\(type.rawValue)"])
            #expect(tensor.type == type)
            #expect(tensor.shape == [5, 8])
            #expect(tensor.widened().array == ramp)
        }
        for (name, type) in [("int8", ElementType.i8), ("int16", .i16), ("int32", .i32), ("int64", .i64)] {
            let tensor = try #require(file.tensors["kind.\(name)"])
            #expect(tensor.type == type)
            #expect(tensor.shape == [2, 3])
            #expect(tensor.widened().array == [-3, -2, -1, 0, 1, 2])
        }
        #expect(file.tensors.count == 19)
    }

    @Test func flattenedTensorHasTheShapeOfItsMetadata() throws {
        let patch = try #require(try GGUF(MappedFile(path: Self.path)).tensors["patch"])
        #expect(patch.shape == [5, 2, 1, 2, 2])
        #expect(patch.widened().array == (0..<40).map { Float($0) / 2 })
    }

    @Test func metadataHasItsTypes() throws {
        let metadata = try GGUF(MappedFile(path: Self.path)).metadata
        let expected: [String: GGUFValue] = [
            "general.architecture": .string("wan"), "kind.u8": .unsigned(200), "kind.i8": .signed(-3),
            "kind.u16": .unsigned(60000), "kind.i16": .signed(-300), "kind.u32": .unsigned(4_000_000_000),
            "kind.i32": .signed(-70000), "kind.u64": .unsigned(.max), "kind.i64": .signed(-(1 << 40)),
            "kind.f32": .float(0.5), "kind.f64": .float(0.1), "kind.bool": .bool(true),
            "kind.string": .string("größer"),
            "kind.shape": .integers([5, 3]), "kind.words": .array(count: 3), "kind.numbers": .array(count: 2),
            "comfy.gguf.orig_shape.patch": .integers([5, 2, 1, 2, 2]),
        ]
        for (key, value) in expected { #expect(metadata[key] == value, "\(key)") }
        #expect(metadata.count == expected.count)
    }

    @Test func checkpointTellsFilesByTheirFirstBytes() throws {
        let checkpoint = try Checkpoint(file: Self.path)
        #expect(checkpoint.tensors.count == 19)
        #expect(checkpoint.metadata["general.architecture"] == "wan")
        #expect(checkpoint.metadata["kind.i8"] == "-3")
        let folder = try TemporaryFolder()
        let foreign: [(String, [UInt8])] = [
            ("zip", Array("PK\u{3}\u{4}and so on".utf8)), ("pickle", [0x80, 0x02, 0x7d, 0x71, 0, 0, 0, 0, 0]),
            ("LFS", Array("version https://git-lfs.github.com/spec/v1".utf8)),
            ("web page", Array("<!DOCTYPE html>".utf8)),
        ]
        for (word, bytes) in foreign {
            let path = try folder.write(bytes)
            let error = #expect(throws: WeightError.self) { try Checkpoint(file: path) }
            #expect("\(try #require(error))".contains(word))
        }
    }

    /// Version 2 differs in nothing that is read here.
    @Test func versionTwoIsRead() throws {
        let folder = try TemporaryFolder()
        let file = Bytes.header(version: 2, tensors: 1) {
            $0.tensor("w", [2])
            $0.pad(then: 8)
        }
        #expect(try GGUF(MappedFile(path: folder.write(file))).tensors["w"]?.shape == [2])
    }

    static let damaged: [(String, [UInt8], [String])] = [
        ("only the magic", Array("GGUF".utf8), ["version", "byte 4"]),
        ("version 1", Bytes.header(version: 1, tensors: 0), ["version 1"]),
        ("big-endian", Bytes.header(version: UInt32(3).byteSwapped, tensors: 0), ["big-endian"]),
        ("absurd number of tensors", Bytes.header(tensors: 1 << 60), ["1152921504606846976 tensors", "byte 8"]),
        ("more tensors than bytes", Bytes.header(tensors: 3) { $0.tensor("w", [2]) }, ["3 tensors", "at most 1"]),
        ("absurd number of entries", Bytes.header(tensors: 0, metadata: .max), ["metadata entries", "byte 16"]),
        (
            "key longer than the file",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key", announced: 60000)
                $0.data += [UInt8](repeating: 0, count: 20)
            }, ["60000 bytes", "file's end"]
        ),
        (
            "absurdly long key",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key", announced: .max)
                $0.data += [UInt8](repeating: 0, count: 20)
            }, ["byte 24", "at most 65536"]
        ),
        (
            "key is no text",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put(UInt64(2))
                $0.data += [0xff, 0xfe] + [UInt8](repeating: 0, count: 20)
            }, ["not UTF-8"]
        ),
        (
            "unknown kind of value",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key")
                $0.put(UInt32(13))
                $0.put(UInt64(0))
            }, ["\"key\"", "unknown type 13"]
        ),
        (
            "array of arrays",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key")
                $0.put(UInt32(9))
                $0.put(UInt32(9))
                $0.put(UInt64(1))
            }, ["\"key\"", "array of type"]
        ),
        (
            "array of a billion billion numbers",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key")
                $0.put(UInt32(9))
                $0.put(UInt32(10))
                $0.put(UInt64(1) << 60)
            }, ["elements of \"key\"", "at most 0"]
        ),
        (
            "key twice",
            Bytes.header(tensors: 0, metadata: 2) {
                for _ in 0..<2 {
                    $0.put("key")
                    $0.put(UInt32(0))
                    $0.put(UInt8(1))
                }
            }, ["\"key\"", "twice"]
        ),
        (
            "odd alignment",
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("general.alignment")
                $0.put(UInt32(4))
                $0.put(UInt32(24))
            }, ["general.alignment", "24", "power of two"]
        ),
        (
            "tensor twice",
            Bytes.header(tensors: 2) {
                $0.tensor("w", [2])
                $0.tensor("w", [2], offset: 32)
                $0.pad(then: 64)
            }, ["\"w\"", "twice"]
        ),
        (
            "type that is not read",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [256], type: 34)
                $0.pad(then: 136)
            }, ["\"w\"", "TQ1_0", "Q4_K"]
        ),
        (
            "type that does not exist",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [256], type: 9999)
                $0.pad(then: 136)
            }, ["\"w\"", "9999"]
        ),
        (
            "nine axes",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [UInt64](repeating: 1, count: 9))
                $0.pad(then: 4)
            }, ["\"w\"", "9 axes"]
        ),
        (
            "shape that overflows",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [1 << 62, 1 << 62])
                $0.pad(then: 4)
            }, ["\"w\"", "too large"]
        ),
        (
            "extent beyond Int",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [.max])
                $0.pad(then: 4)
            }, ["\"w\"", "too large"]
        ),
        (
            "rows of broken blocks",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [33, 32], type: 8)
                $0.pad(then: 33 * 34)
            }, ["\"w\"", "33", "blocks of 32"]
        ),
        (
            "truncated data",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [8])
                $0.pad(then: 20)
            }, ["\"w\"", "32 bytes", "has 20"]
        ),
        (
            "offset past the end",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [2], offset: .max)
                $0.pad(then: 8)
            }, ["\"w\"", "18446744073709551615"]
        ),
        (
            "overlap",
            Bytes.header(tensors: 2) {
                $0.tensor("a", [16])
                $0.tensor("b", [2], offset: 32)
                $0.pad(then: 64)
            }, ["\"b\"", "overlaps", "\"a\""]
        ),
        (
            "hole",
            Bytes.header(tensors: 2) {
                $0.tensor("a", [2])
                $0.tensor("b", [2], offset: 64)
                $0.pad(then: 72)
            }, ["\"b\"", "expected"]
        ),
        (
            "bytes of nobody",
            Bytes.header(tensors: 1) {
                $0.tensor("w", [2])
                $0.pad(then: 64)
            }, ["56 bytes", "no tensor"]
        ),
        (
            "original shape of another size",
            Bytes.header(tensors: 1, metadata: 1) {
                $0.put("comfy.gguf.orig_shape.w")
                $0.put(UInt32(9))
                $0.put(UInt32(10))
                $0.put(UInt64(2))
                $0.put(UInt64(1) << 62)
                $0.put(UInt64(1) << 62)
                $0.tensor("w", [2])
                $0.pad(then: 8)
            }, ["orig_shape.w"]
        ),
    ]

    @Test(arguments: damaged.indices) func damagedFileIsRefused(index: Int) throws {
        let (name, bytes, words) = Self.damaged[index]
        let folder = try TemporaryFolder()
        let path = try folder.write(bytes, "w.gguf")
        let error = #expect(throws: WeightError.self, "\(name)") { try GGUF(MappedFile(path: path)) }
        let message = "\(try #require(error))"
        #expect(message.contains(path), "\(name): \(message)")
        for word in words { #expect(message.contains(word), "\(name): \(message)") }
    }

    /// A gigabyte of holes that claims to be a header costs no more than the part of it that may be one.
    @Test func workIsBoundedBeforeAHeaderFails() throws {
        let folder = try TemporaryFolder()
        let header = Bytes.header(tensors: 0, metadata: 1) {
            $0.put("key")
            $0.put(UInt32(9))
            $0.put(UInt32(8))
            $0.put(UInt64(90_000_000 / 8))
        }
        let path = try folder.write(header, "w.gguf")
        #expect(truncate(path, 1 << 30) == 0)
        let clock = ContinuousClock()
        let time = clock.measure { #expect(throws: Never.self) { _ = try GGUF(MappedFile(path: path)) } }
        #expect(time < .seconds(20))
        let longer = try folder.write(
            Bytes.header(tensors: 0, metadata: 1) {
                $0.put("key")
                $0.put(UInt32(8))
                $0.put("", announced: 200_000_000)
            }, "x.gguf")
        #expect(truncate(longer, 1 << 30) == 0)
        let error = #expect(throws: WeightError.self) { try GGUF(MappedFile(path: longer)) }
        #expect("\(try #require(error))".contains("100000000 bytes a header may have"))
    }

    /// A real file with bytes changed, cut or repeated: an error or a file that reads, never a trap.
    @Test func mutatedFilesNeverTrap() throws {
        let folder = try TemporaryFolder()
        let original = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Self.path)))
        var random = SplitMix64(seed: 11)
        var refused = 0
        for _ in 0..<1000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                // The header is the first 1900 bytes.
                let place = Int.random(in: 4..<1900, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            if Int.random(in: 0..<10, using: &random) == 0 {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            }
            let path = try folder.write(bytes, "w.gguf")
            do {
                let file = try GGUF(MappedFile(path: path))
                for tensor in file.tensors.values { _ = tensor.widened() }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 500)
    }
}
