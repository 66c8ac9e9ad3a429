import Foundation
import Models
import Pictures
import Pipelines
import Tensor
import Weights

let fixture = Fixture.path("wan22-tiny")
let imageToVideoFixture = Fixture.path("wan22-i2v-tiny")
let textImageToVideoFixture = Fixture.path("wan22-ti2v-tiny")
let qwenFixture = Fixture.path("qwen-image-tiny")
let editFixture = Fixture.path("qwen-image-edit-tiny")
let zImageFixture = Fixture.path("z-image-tiny")
let sdxlFixture = Fixture.path("sdxl-tiny")
let kleinFixture = Fixture.path("flux2-klein-tiny")
let sanaFixture = Fixture.path("sana-sprint-tiny")

enum Fixture {
    static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/\(name)").path
    }
}

extension Pipeline {
    /// A run of a picture or clip at its first step, with its texts encoded, and pictures where the network reads any.
    func encodedRun(
        _ prompt: String, negative: String? = nil, seed: UInt64, width: Int, height: Int, frames: Int = 1,
        steps: Int? = nil, guidanceScale: Float? = nil, guidanceScale2: Float? = nil
    ) throws -> Run {
        var run = try Run(
            GenerationParameters(
                prompt: prompt, negativePrompt: negative, width: width, height: height, frames: frames, seed: seed,
                steps: steps, guidanceScale: guidanceScale, guidanceScale2: guidanceScale2,
                pictures: pictures(seed: seed)), of: self)
        try run.encodeTexts { [seen = run.seen] in try encode($0, by: $1, seeing: seen) }
        var alone = [run]
        try Run.encodePictures(of: &alone)
        return alone[0]
    }

    /// Stripes in colours of the seed, as far as the network reads pictures.
    func pictures(seed: UInt64) throws -> GivenPictures {
        let inputs = traits.pictures
        func stripes(_ step: Int, _ width: Int = 40, _ height: Int = 30) throws -> RGBImage {
            try RGBImage(
                width: width, height: height,
                bytes: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: ($0 + Int(seed)) * step / 7) })
        }
        guard inputs.first != .never else {
            let count = min(inputs.references.upperBound, 2)
            return GivenPictures(references: try (0..<count).map { try stripes(3 + 4 * $0, 80 + 16 * $0, 64) })
        }
        return GivenPictures(
            first: try stripes(3), last: inputs.last == .never ? nil : try stripes(11))
    }
}

/// A copy of a tiny pipeline that a test may damage.
final class ModelCopy {
    let path: String

    init(_ original: String = fixture) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let leftOut: Set = ["reference", "manifest.json", "sensitivity.json", "original_format", "tokenizer_variants"]
        for part in try FileManager.default.contentsOfDirectory(atPath: original) where !leftOut.contains(part) {
            try FileManager.default.copyItem(atPath: "\(original)/\(part)", toPath: "\(path)/\(part)")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, _ file: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(file)"))
    }

    func replace(_ old: String, with new: String, in file: String) throws {
        let text = try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
        struct NotThere: Error {
            let what: String
        }
        guard text.contains(old) else { throw NotThere(what: "\(file) has no \(old)") }
        try write(text.replacingOccurrences(of: old, with: new), file)
    }

    /// Writes the weights of a component anew, as one file with a tensor more.
    func add(_ key: String, to component: String) throws {
        let folder = "\(path)/\(component)"
        var weights = try Checkpoint(folder: folder).tensors.map { ($0, $1.widened()) }
        weights.append((key, Tensor(zeros: [4, 4])))
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.contains(".safetensors") {
            try remove("\(component)/\(file)")
        }
        let isText = component.hasPrefix("text_encoder")
        try SafetensorsWriter.write(
            weights, to: "\(folder)/\(isText ? "model" : "diffusion_pytorch_model").safetensors")
    }

    func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }

    func rename(_ file: String, to name: String) throws {
        try FileManager.default.moveItem(atPath: "\(path)/\(file)", toPath: "\(path)/\(name)")
    }

    func truncate(_ file: String, by count: Int) throws {
        let url = URL(fileURLWithPath: "\(path)/\(file)")
        try Data(contentsOf: url).dropLast(count).write(to: url)
    }
}
