import Foundation
import Tensor
import Testing
import Weights

private let embedded = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Models/emoji-scenes").path

/// Writes the embedded model's weights again and reads them back.
@Suite struct QuantizerTests {
    private let compute = Compute(threads: 2)

    private func quantised(
        _ part: String, _ target: Quantizer.Target, in folder: TemporaryFolder
    ) throws -> (source: Checkpoint, result: Checkpoint) {
        let source = try Checkpoint(folder: "\(embedded)/\(part)")
        let path = "\(folder.path)/out.\(target.format.rawValue)"
        let quantizer = Quantizer(source, target: target)
        var progress: [Int] = []
        try quantizer.write(to: path, metadata: ["general.architecture": "wan"], compute: compute) {
            progress.append($0)
        }
        #expect(progress == progress.sorted())
        #expect(progress.last == quantizer.byteCount)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.\(target.format.rawValue)"])
        return (source, try Checkpoint(path: path))
    }

    /// Root mean square error of a tensor beside its root mean square.
    private func loss(_ source: Weight, _ result: Weight) -> Double {
        let (a, b) = (source.widened().array, result.widened().array)
        let error = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let size = a.reduce(0.0) { $0 + Double($1) * Double($1) }
        return size > 0 ? (error / size).squareRoot() : error
    }

    @Test(arguments: [
        (Quantizer.Target.q8x0, ElementType.q8x0, 0.008), (.q4k, .q4k, 0.08), (.bf16, .bf16, 0), (.f16, .f16, 1e-4),
        (.fp8, .e4m3, 0.03),
    ])
    func matricesAreNarrowedAndTheRestStays(target: Quantizer.Target, type: ElementType, bound: Double) throws {
        let folder = try TemporaryFolder()
        let (source, result) = try quantised("transformer", target, in: folder)
        #expect(Set(result.tensors.keys) == Set(source.tensors.keys))
        for (key, before) in source.tensors {
            let after = try #require(result.tensors[key])
            #expect(after.shape == before.shape, "\(key)")
            let isBlockMatrix = key.hasPrefix("blocks.") && before.shape.count == 2
            let isOuterMatrix = !key.hasPrefix("blocks.") && before.shape.count == 2
            if isBlockMatrix {
                #expect(after.type == type, "\(key)")
                #expect(loss(before, after) <= bound, "\(key)")
            } else if isOuterMatrix {
                let outer: [Quantizer.Target: ElementType] = [.q4k: .q8x0, .q8x0: .q8x0, .f16: .f16]
                #expect(after.type == outer[target] ?? .bf16, "\(key)")
                #expect(loss(before, after) < 0.008, "\(key)")
            } else if before.shape.count == 1 {
                #expect(after.type == before.type, "\(key)")
                #expect(after.widened().array == before.widened().array, "\(key)")
            }
        }
        #expect(result.metadata["general.architecture"] == "wan")
    }

    /// Convolutions of five axes pass a format that has four.
    @Test(arguments: [Quantizer.Target.q8x0, .fp8]) func convolutionsKeepTheirShape(target: Quantizer.Target) throws {
        let folder = try TemporaryFolder()
        let (source, result) = try quantised("vae", target, in: folder)
        for (key, before) in source.tensors {
            #expect(result.tensors[key]?.shape == before.shape, "\(key)")
            if before.shape.count == 5 {
                #expect(result.tensors[key]?.widened().array == before.widened().array, "\(key)")
            }
        }
    }

    @Test func quantisedFilesAreQuantisedAgain() throws {
        let folder = try TemporaryFolder()
        let (source, first) = try quantised("transformer", .fp8, in: folder)
        let again = "\(folder.path)/again.gguf"
        try Quantizer(first, target: .q8x0).write(to: again, metadata: [:], compute: compute)
        let second = try Checkpoint(path: again)
        #expect(Set(second.tensors.keys) == Set(source.tensors.keys))
        let key = "blocks.0.attn1.to_q.weight"
        let (before, after) = (try #require(source.tensors[key]), try #require(second.tensors[key]))
        #expect(after.type == .q8x0)
        #expect(loss(before, after) < 0.04)
    }

    @Test func badNumbersAreNamedAndLeaveNoFile() throws {
        let folder = try TemporaryFolder()
        var values = [UInt8](repeating: 0, count: 4 * 8192)
        values.replaceSubrange(400..<404, with: [0, 0, 0xc0, 0x7f])
        let path = try folder.write(
            safetensors(
                #"{"blocks.0.q.weight":{"dtype":"F32","shape":[64,128],"data_offsets":[0,32768]}}"#, data: values))
        let quantizer = Quantizer(try Checkpoint(file: path), target: .q8x0)
        let error = #expect(throws: WeightError.self) {
            try quantizer.write(to: "\(folder.path)/out.gguf", metadata: [:], compute: compute)
        }
        #expect("\(try #require(error))".contains("\"blocks.0.q.weight\""))
        #expect("\(try #require(error))".contains(path))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["w.safetensors"])
    }

    @Test func folderThatIsNotThereIsNamed() throws {
        let quantizer = Quantizer(try Checkpoint(folder: "\(embedded)/transformer"), target: .bf16)
        let error = #expect(throws: WeightError.self) {
            try quantizer.write(to: "/nonexistent/out.safetensors", metadata: [:], compute: compute)
        }
        #expect("\(try #require(error))".contains("/nonexistent/out.safetensors"))
    }
}
