import Models
import Tensor
import TestSupport
import Testing
import Weights

/// Gemma 2 from transformers' files and from llama.cpp's, against transformers (`Fixtures/gguf/make_gemma2.py`).
struct Gemma2EncoderTests {
    private static let compute = Compute(threads: 2)
    private static func path(_ name: String) -> String { Fixtures.root.appending(path: "gguf/\(name)").path }

    private static func rows(_ checkpoint: Checkpoint) throws -> (rows: Tensor, config: Gemma2Config) {
        let golden = try Checkpoint(file: path("gemma2.rows.safetensors")).tensors
        let ids = try #require(golden["ids"]).widened().array.map { Int($0) }
        let expected = try #require(golden["rows"]).widened()
        let reader = WeightReader(try checkpoint.renamed(by: Gemma2Keys.encoder))
        let config = try Gemma2Config.of(reader.checkpoint)
        let rows = try Gemma2Encoder(reader, config: config, compute: compute).encode(ids)
        #expect(reader.unusedKeys.isEmpty)
        #expect(rows.shape == expected.shape)
        #expect(zip(rows.array, expected.array).allSatisfy { abs($0 - $1) < 1e-5 })
        return (rows, config)
    }

    /// The weights of norms, which in GGUF files have 1 added, are not added to again; numbers that no shape tells come from the
    /// metadata.
    @Test func filesOfLlamaCppGiveTheSameRows() throws {
        let ours = try Self.rows(Checkpoint(folder: Self.path("gemma2")))
        let theirs = try Self.rows(Checkpoint(file: Self.path("gemma2.gguf")))
        #expect(ours.rows.array == theirs.rows.array)
        #expect("\(ours.config)" == "\(theirs.config)")
    }

    @Test(arguments: ["gemma2.gguf", "gemma2"]) func filesAreRecognised(name: String) throws {
        let checkpoint = try name == "gemma2" ? Checkpoint(folder: Self.path(name)) : Checkpoint(file: Self.path(name))
        let found = try FileIdentity.all(in: checkpoint)
        #expect(found.map(\.name) == ["Gemma 2 text model of width 32, vocabulary 64"])
        #expect(found.map(\.architecture) == ["gemma2"])
        #expect(try found[0].unusedKeys(in: checkpoint, compute: Self.compute).isEmpty)
    }
}
