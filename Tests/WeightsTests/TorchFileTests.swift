import Foundation
import Tensor
import TestSupport
import Testing
import Weights

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/torch").path

/// Bytes in memory that a reader takes for a mapped file.
private final class Memory {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ content: [UInt8]) {
        bytes = .allocate(byteCount: max(content.count, 1), alignment: 16)
        bytes.copyBytes(from: content)
        count = content.count
    }

    private let count: Int

    var content: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<count]) }

    deinit { bytes.deallocate() }
}

@Suite struct TorchFileTests {
    private struct Expected: Decodable {
        let dtype: String
        let shape: [Int]
        let values: [Double]
    }

    /// The values are those that torch itself gives.
    @Test(arguments: ["network.pth", "trained.ckpt"]) func tensorsAreThoseOfTorch(name: String) throws {
        let json = try Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/values.json"))
        let expected = try #require(JSONDecoder().decode([String: [String: Expected]].self, from: json)[name])
        let checkpoint = try Checkpoint(file: "\(fixtures)/\(name)")
        #expect(Set(checkpoint.tensors.keys) == Set(expected.keys))
        for (key, value) in expected {
            let tensor = try #require(checkpoint.tensors[key])
            #expect(tensor.shape == value.shape, "\(key)")
            #expect(ElementType(torch: "torch \(value.dtype)") == tensor.type, "\(key)")
            #expect(tensor.widened().array == value.values.map { Float($0) }, "\(key)")
        }
    }

    @Test(arguments: [
        ("hostile.pth", ["posix.system", "nothing of it was run", "safetensors"]),
        ("path.pth", ["pathlib.PosixPath"]),
        ("strided.pth", ["\"weight\"", "strides [1, 3]"]),
        ("empty.pth", ["no tensors", "as safetensors"]),
        ("legacy.pth", ["before version 1.6", "as safetensors"]),
        ("program.pt", ["TorchScript"]),
    ]) func otherFilesAreRefusedByWhatTheyAre(name: String, words: [String]) throws {
        let error = #expect(throws: WeightError.self) { try Checkpoint(file: "\(fixtures)/\(name)") }
        let message = "\(try #require(error))"
        for word in words { #expect(message.contains(word), "\(message)") }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/phasor-was-here"))
    }

    /// `_rebuild_tensor_v3` over bytes of no type, as float8 is written by torch 2.1 and later.
    @Test func tensorsOverUntypedBytesAreRead() throws {
        let pickle: [UInt8] =
            [0x80, 2] + Array("}".utf8) + string("w") + Array("ctorch._utils\n_rebuild_tensor_v3\n((".utf8)
            + string("storage") + Array("ctorch.storage\nUntypedStorage\n".utf8) + string("0") + string("cpu")
            + Array("K\u{4}tQK\u{1}K\u{3}\u{85}".utf8.filter { $0 != 0xC2 }) + Array("K\u{1}".utf8) + [0x85]
            + Array("\u{89}".utf8.filter { $0 != 0xC2 }) + Array("}ctorch\nfloat8_e5m2\ntRs.".utf8)
        let memory = Memory(TorchArchiveWriter.archive([("a/data.pkl", pickle), ("a/data/0", [0, 0x3C, 0xBC, 0x40])]))
        let file = try TorchFile(memory.content, owner: memory, path: "w.pth")
        #expect(file.tensors["w"]?.type == .e5m2)
        #expect(file.tensors["w"]?.widened().array == [1, -1, 2])
    }

    private func string(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }

    // MARK: Hostile input

    private func read(_ bytes: [UInt8]) -> Result<[String: Weight], WeightError> {
        let memory = Memory(bytes)
        do throws(WeightError) {
            let tensors = try TorchFile(memory.content, owner: memory, path: "mutated.pth").tensors
            for tensor in tensors.values { _ = tensor.widened() }
            return .success(tensors)
        } catch {
            return .failure(error)
        }
    }

    /// Real archives with bytes changed, removed and added in the archive and in the pickle: an error, or tensors.
    @Test func mutatedArchivesNeverTrap() throws {
        let originals = try ["network.pth", "trained.ckpt", "hostile.pth"].map {
            try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/\($0)")))
        }
        var random = SplitMix64(seed: 11)
        var (refused, read) = (0, 0)
        for _ in 0..<20_000 {
            var bytes = originals[Int.random(in: 0..<originals.count, using: &random)]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 2: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            if case .success = self.read(bytes) { read += 1 } else { refused += 1 }
        }
        #expect(refused > 1000 && read > 1000)
    }

    /// The same with the pickle alone, whose instructions are the ones that could do harm.
    @Test func mutatedPicklesGiveTensorsOrErrors() throws {
        let pickles = try ["network.pth", "trained.ckpt", "hostile.pth"].map { name in
            let memory = Memory([UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/\(name)"))))
            let archive = try TorchArchive(memory.content, path: name)
            let entry = try #require(archive.entries.first { $0.key.hasSuffix("/data.pkl") })
            return [UInt8](memory.content[entry.value])
        }
        var random = SplitMix64(seed: 12)
        var (refused, read) = (0, 0)
        let instructions: [UInt8] =
            Array("(.0NJKMGX}])taesuqrhj2cQRb".utf8) + [0x80, 0x85, 0x86, 0x87, 0x88, 0x8A, 0x8C, 0x93, 0x94, 0x95]
        for _ in 0..<80_000 {
            var bytes = pickles[Int.random(in: 0..<pickles.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(instructions[Int.random(in: 0..<instructions.count, using: &random)], at: place)
                case 3: bytes[place] = instructions[Int.random(in: 0..<instructions.count, using: &random)]
                default:
                    let end = min(place + Int.random(in: 1...20, using: &random), bytes.count)
                    bytes.insert(
                        contentsOf: Array(bytes[place..<end]), at: Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            let memory = Memory(bytes)
            do throws(TensorPickle.Fault) {
                try TensorPickle.read(memory.content) { _ throws(TensorPickle.Fault) in }
                read += 1
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1000 && read > 1000)
    }

    /// Pickles that would take all memory, all time or all of the stack of a naive reader.
    @Test func picklesThatGrowAreRefused() throws {
        let million = 1 << 20
        let grow: [(String, [UInt8])] = [
            ("nested tuples", Array(")".utf8) + [UInt8](repeating: 0x85, count: 2 * million)),
            (
                "nested lists",
                Array(repeating: UInt8(ascii: "]"), count: 1000) + Array(repeating: UInt8(ascii: "a"), count: 999)
            ),
            ("a list in itself", Array("]q\u{0}h\u{0}a.".utf8)),
            ("values without end", [UInt8](repeating: UInt8(ascii: "N"), count: 2 * million)),
            ("marks without end", [UInt8](repeating: UInt8(ascii: "("), count: 2 * million)),
            (
                "copies of a long list",
                Array("ccollections\nOrderedDict\nq\u{0}0](".utf8)
                    + (0..<1000).flatMap { _ in Array("NN\u{86}".utf8.filter { $0 != 0xC2 }) } + Array("e".utf8)
                    + Array("\u{85}q\u{1}0".utf8.filter { $0 != 0xC2 })
                    + (0..<100_000).flatMap { _ in Array("h\u{0}h\u{1}R".utf8) }
            ),
        ]
        for (name, pickle) in grow {
            let memory = Memory([0x80, 2] + pickle)
            #expect(throws: (any Error).self, "\(name)") {
                try TensorPickle.read(memory.content) { value throws(TensorPickle.Fault) in
                    guard case .tensor = value else { throw TensorPickle.Fault(reason: "no tensor", isForeign: true) }
                }
            }
        }
    }
}
