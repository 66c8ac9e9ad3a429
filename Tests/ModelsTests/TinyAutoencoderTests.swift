import Foundation
import Models
import Tensor
import TestSupport
import Testing
import Weights

@Suite struct TinyAutoencoderTests {
    private static let folder = Fixtures.root.appending(path: "taehv-tiny").path
    private static let compute = Compute(threads: 2)

    private static func open(_ path: String, _ compute: Compute = compute) throws -> any TinyAutoencoder {
        try TinyAutoencoders.open(WeightReader(try Checkpoint(path: path)), compute: compute)
    }

    private static func frames(_ tiny: any TinyAutoencoder, _ latent: Tensor) throws -> [Float] {
        var all: [Float] = []
        try tiny.decode(latent, interrupt: {}) { all += $0.array }
        return all
    }

    private static func latent(_ channels: Int, _ shape: [Int] = [1, 3, 5], seed: UInt64 = 3) -> Tensor {
        var random = SplitMix64(seed: seed)
        let shape = [channels] + shape
        return Tensor(
            (0..<shape.reduce(1, *)).map { _ in Float.random(in: -3...3, using: &random) }, shape: shape)
    }

    // MARK: Files

    /// diffusers' folder, the original halves, and both halves in one file as ComfyUI puts them together.
    @Test(arguments: [("taef1", 16), ("taesdxl", 4)])
    func allFormsOfFilesHoldTheSameNetwork(name: String, channels: Int) throws {
        let latent = Self.latent(channels)
        let whole = try Self.open("\(Self.folder)/\(name)")
        let expected = try Self.frames(whole, latent)
        #expect(whole.channels == channels && whole.spatialFactor == 8 && whole.hasEncoder)

        let half = try Self.open("\(Self.folder)/\(name)_decoder.safetensors")
        #expect(try Self.frames(half, latent) == expected)
        #expect(!half.hasEncoder)
        let picture = Tensor(repeating: 0.25, shape: [1, 16, 24, 3])
        #expect(throws: ModelError.self) { try half.latent(of: picture, interrupt: {}) }

        try withTemporaryFolder { folder in
            let file = folder.appending(path: "both.safetensors").path
            var tensors: [(String, Tensor)] = []
            for part in ["decoder", "encoder"] {
                let checkpoint = try Checkpoint(path: "\(Self.folder)/\(name)_\(part).safetensors")
                tensors += checkpoint.tensors.map { ("taesd_\(part).\($0)", $1.widened()) }
            }
            try SafetensorsWriter.write(tensors.sorted { $0.0 < $1.0 }, to: file)
            let reader = WeightReader(try Checkpoint(path: file))
            let both = try TinyAutoencoders.open(reader, compute: Self.compute)
            #expect(reader.unusedKeys.isEmpty)
            #expect(try Self.frames(both, latent) == expected)
            #expect(
                try both.latent(of: picture, interrupt: {}).array == whole.latent(of: picture, interrupt: {}).array)
        }
    }

    /// What PyTorch's archive holds is what safetensors hold.
    @Test func pytorchArchivesAreRead() throws {
        let latent = Self.latent(16, [2, 2, 3])
        let expected = try Self.frames(Self.open("\(Self.folder)/taew2_1.safetensors"), latent)
        #expect(try Self.frames(Self.open(Fixtures.root.appending(path: "torch/taew2_1.pth").path), latent) == expected)
    }

    @Test(arguments: ["taef1", "taesdxl", "taew2_1.safetensors", "taew2_2.safetensors", "taew2_2_super.safetensors"])
    func everyTensorOfAFileIsRead(name: String) throws {
        let checkpoint = try Checkpoint(path: "\(Self.folder)/\(name)")
        let identity = try FileIdentity.of(checkpoint, as: .tinyVAE)
        #expect(identity.refusal == nil)
        #expect(try identity.unusedKeys(in: checkpoint, compute: Self.compute).isEmpty)
        #expect(throws: ModelError.self) { try FileIdentity.of(checkpoint, as: .vae) }
    }

    @Test func scaleAndShiftOfAConfigurationAreApplied() throws {
        try withTemporaryFolder { folder in
            let copy = folder.appending(path: "taef1").path
            try FileManager.default.copyItem(atPath: "\(Self.folder)/taef1", toPath: copy)
            let config = "\(copy)/config.json"
            var text = try String(contentsOfFile: config, encoding: .utf8)
            text = text.replacing("\"scaling_factor\": 1.0", with: "\"scaling_factor\": 0.5")
                .replacing("\"shift_factor\": 0.0", with: "\"shift_factor\": 0.25")
            try Data(text.utf8).write(to: URL(filePath: config))
            let latent = Self.latent(16)
            let moved = Tensor(latent.array.map { $0 / 0.5 + 0.25 }, shape: latent.shape)
            let (own, scaled) = (try Self.open("\(Self.folder)/taef1"), try Self.open(copy))
            #expect(try Self.frames(scaled, latent) == Self.frames(own, moved))
            let picture = Tensor(repeating: 0.5, shape: [1, 16, 16, 3])
            let encoded = try scaled.latent(of: picture, interrupt: {}).array
            let plain = try own.latent(of: picture, interrupt: {}).array
            #expect(zip(encoded, plain).allSatisfy { abs($0 - ($1 - 0.25) * 0.5) < 1e-6 })
        }
    }

    @Test func whatDoesNotFitIsRefusedByName() throws {
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return ""
            } catch { return "\(error)" }
        }
        #expect(message { _ = try Self.open("\(Self.folder)/taef1_encoder.safetensors") }.contains("encoder's half"))
        #expect(
            message { _ = try Self.open(Fixtures.root.appending(path: "z-image-tiny/vae").path) }
                .contains("not the tiny autoencoder"))
        try withTemporaryFolder { folder in
            let light = folder.appending(path: "lighttaew2_1.safetensors").path
            try FileManager.default.copyItem(atPath: "\(Self.folder)/taew2_1.safetensors", toPath: light)
            #expect(message { _ = try Self.open(light) }.contains("mean and deviation"))
            for (key, value, said) in [
                ("\"act_fn\": \"relu\"", "\"act_fn\": \"gelu\"", "\"gelu\""),
                ("\"upsampling_scaling_factor\": 2", "\"upsampling_scaling_factor\": 3", "upsampling_scaling_factor"),
                ("\"scaling_factor\": 1.0", "\"scaling_factor\": 0", "scaling_factor"),
                ("\"shift_factor\": 0.0", "\"shift_factor\": \"x\"", "shift_factor"),
            ] {
                let copy = folder.appending(path: "taef1").path
                try? FileManager.default.removeItem(atPath: copy)
                try FileManager.default.copyItem(atPath: "\(Self.folder)/taef1", toPath: copy)
                let config = URL(filePath: "\(copy)/config.json")
                let text = try String(contentsOf: config, encoding: .utf8)
                #expect(text.contains(key))
                try Data(text.replacing(key, with: value).utf8).write(to: config)
                #expect(message { _ = try Self.open(copy) }.contains(said))
            }
            for (name, lost, said) in [
                ("taef1", "decoder.layers.8.conv.2.weight", "decoder.layers.8.conv.2.weight"),
                ("taew2_1.safetensors", "decoder.10.conv.4.bias", "decoder.10.conv.4.bias"),
                ("taew2_2.safetensors", "decoder.13.conv.weight", "decoder.13.conv.weight"),
                ("taew2_2.safetensors", "encoder.7.conv.weight", "encoder.7.conv.weight"),
            ] {
                let file = folder.appending(path: "cut.safetensors").path
                let tensors = try Checkpoint(path: "\(Self.folder)/\(name)").tensors.filter { $0.key != lost }
                try SafetensorsWriter.write(
                    tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value.widened()) }, to: file)
                #expect(message { _ = try Self.open(file) }.contains(said), "\(lost)")
            }
        }
    }

    // MARK: Clips

    /// A clip in any number of latent frames begins with the same bytes; a single latent frame is a single frame.
    @Test(arguments: ["taew2_1", "taew2_2", "taew2_2_super"])
    func aClipBeginsAsAShorterOneDoes(name: String) throws {
        let tiny = try Self.open("\(Self.folder)/\(name).safetensors")
        #expect(tiny.temporalFactor == 4 && tiny.spatialFactor == (tiny.channels == 48 ? 16 : 8))
        let latent = Self.latent(tiny.channels, [4, 2, 3])
        let whole = try Self.frames(tiny, latent)
        for frames in 1...3 {
            let channels = (0..<tiny.channels).map { latent[$0].slice(0..<frames) }
            let part = Tensor.concatenate(channels).reshaped([tiny.channels, frames, 2, 3])
            let decoded = try Self.frames(tiny, part)
            let frame = whole.count / 13
            #expect(decoded.count == (4 * frames - 3) * frame)
            #expect(decoded == Array(whole[..<decoded.count]))
        }
    }

    /// Frames that nobody gave are the last one repeated.
    @Test func encodingRepeatsTheLastFrame() throws {
        let tiny = try Self.open("\(Self.folder)/taew2_1.safetensors")
        let frames = Tensor(
            (0..<6 * 16 * 8 * 3).map { Float($0 % 97) / 48 - 1 }, shape: [6, 16, 8, 3])
        let last = frames.slice(5..<6)
        let padded = Tensor.concatenate([frames, last, last])
        #expect(
            try tiny.latent(of: frames, interrupt: {}).array == tiny.latent(of: padded, interrupt: {}).array)
    }

    @Test(arguments: ["taef1", "taew2_1.safetensors", "taew2_2_super.safetensors"])
    func threadsDoNotChangeABit(name: String) throws {
        let one = try Self.open("\(Self.folder)/\(name)", Compute(threads: 1))
        let latent = Self.latent(one.channels, [name == "taef1" ? 1 : 3, 5, 7])
        let expected = try Self.frames(one, latent)
        let preview = try one.preview(latent, interrupt: {}).array
        for threads in [2, 3] {
            let other = try Self.open("\(Self.folder)/\(name)", Compute(threads: threads))
            #expect(try Self.frames(other, latent) == expected)
            #expect(try other.preview(latent, interrupt: {}).array == preview)
        }
    }

    /// However often a decode asks before it is told to stop, it stops there.
    @Test(arguments: ["taef1", "taew2_1.safetensors"]) func interruptEndsADecode(name: String) throws {
        struct Stop: Error {}
        let tiny = try Self.open("\(Self.folder)/\(name)")
        let latent = Self.latent(tiny.channels, [name == "taef1" ? 1 : 2, 2, 2])
        var asked = 0
        try tiny.decode(latent, interrupt: { asked += 1 }, onFrames: { _ in })
        #expect(asked > 8)
        for last in [0, 3, asked - 1] {
            var left = last
            #expect(throws: Stop.self) {
                try tiny.decode(
                    latent,
                    interrupt: {
                        if left == 0 { throw Stop() }
                        left -= 1
                    }, onFrames: { _ in })
            }
        }
    }

    /// Frames that are not told apart cost no memory: the decode of a long clip takes what that of a short one takes.
    @Test func memoryDoesNotGrowWithAClip() throws {
        let tiny = try Self.open("\(Self.folder)/taew2_1.safetensors")
        func peak(_ frames: Int) throws -> Int {
            let latent = Self.latent(16, [frames, 8, 12])
            let own = try MemoryPlan.of { try tiny.decode(latent, interrupt: {}) { _ in } }
            return own.peakExtent - 4 * latent.count
        }
        // The first frames fill what the blocks remember.
        let (short, long) = (try peak(10), try peak(100))
        #expect(long < short + short / 20, "\(short) and \(long) bytes")
    }

    // MARK: The normed branch of TAEF2

    /// Against the block written the obvious way, in float64.
    @Test func theBlockWithANormedBranchIsThatOfItsDescription() throws {
        let (width, rows, columns) = (3, 4, 5)
        var random = SplitMix64(seed: 9)
        func values(_ shape: [Int]) -> Tensor {
            Tensor(
                (0..<shape.reduce(1, *)).map { _ in Float.random(in: -0.6...0.6, using: &random) }, shape: shape)
        }
        var tensors: [String: Tensor] = [:]
        for index in [0, 2, 4] {
            tensors["conv.\(index).weight"] = values([width, width, 3, 3])
            tensors["conv.\(index).bias"] = values([width])
        }
        tensors["pool.0.weight"] = values([4 * width, width, 1, 1])
        tensors["pool.1.weight"] = values([4 * width])
        tensors["pool.1.bias"] = values([4 * width])
        tensors["pool.3.weight"] = values([width, 4 * width, 1, 1])
        let x = values([1, rows, columns, width])
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "block.safetensors").path
            try SafetensorsWriter.write(tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, to: file)
            let reader = WeightReader(try Checkpoint(path: file))
            let block = try TinyBlock(reader, width: width, activation: .relu, compute: Self.compute)
            #expect(reader.unusedKeys.isEmpty)
            let expected = Self.plainBlock(x.array.map(Double.init), tensors, width, rows, columns)
            let computed = block(x.copy()).array
            #expect(zip(computed, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 })
            #expect(expected.contains { $0 > 0.1 })
        }
    }

    private static func plainBlock(
        _ x: [Double], _ tensors: [String: Tensor], _ width: Int, _ rows: Int, _ columns: Int
    ) -> [Double] {
        func weight(_ name: String) -> [Double] { (tensors[name]?.array ?? []).map(Double.init) }
        func convolved(_ x: [Double], _ name: String, _ inputs: Int, _ outputs: Int, _ side: Int) -> [Double] {
            let (w, bias) = (weight("\(name).weight"), weight("\(name).bias"))
            var out = [Double](repeating: 0, count: rows * columns * outputs)
            for index in out.indices {
                let (o, column, row) = (index % outputs, index / outputs % columns, index / outputs / columns)
                var sum = bias.isEmpty ? 0 : bias[o]
                for i in 0..<inputs {
                    for a in 0..<side {
                        for b in 0..<side {
                            let (y, z) = (row + a - side / 2, column + b - side / 2)
                            guard 0..<rows ~= y, 0..<columns ~= z else { continue }
                            sum += x[(y * columns + z) * inputs + i] * w[((o * inputs + i) * side + a) * side + b]
                        }
                    }
                }
                out[index] = sum
            }
            return out
        }
        // The branch: a group is a fourth of the channels, over all places.
        var wide = convolved(x, "pool.0", width, 4 * width, 1)
        let (scale, shift) = (weight("pool.1.weight"), weight("pool.1.bias"))
        let before = wide
        for index in wide.indices {
            let channel = index % (4 * width)
            let members = before.indices.filter { $0 % (4 * width) / width == channel / width }.map { before[$0] }
            let mean = members.reduce(0, +) / Double(members.count)
            let variance = members.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(members.count)
            wide[index] = max(
                0, (before[index] - mean) / (variance + 1e-5).squareRoot() * scale[channel] + shift[channel])
        }
        let y = zip(x, convolved(wide, "pool.3", 4 * width, width, 1)).map { $0 + $1 }
        var h = y
        for (index, name) in ["conv.0", "conv.2", "conv.4"].enumerated() {
            h = convolved(h, name, width, width, 3)
            if index < 2 { h = h.map { max(0, $0) } }
        }
        return zip(h, y).map { max(0, $0 + $1) }
    }
}
