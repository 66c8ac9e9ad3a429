import Foundation
import Testing

/// What the command says of SDXL's files, and what it does with them.
@Suite struct SDXLCommandTests {
    private let command: CommandRun
    private static let fixture = CommandRun.root.appending(path: "Tests/Fixtures/sdxl-tiny").path

    init() throws { command = try CommandRun() }

    @Test func `The network's folder is measured, which is called unet`() throws {
        let run = try command.run([
            "bench", "step", "--model", Self.fixture, "--size", "64x64", "--rounds", "1", "--threads", "1",
        ])
        #expect(run.code == 0, "\(run.said)")
        #expect(run.text.contains("s per step") && run.text.contains("s VAE decode"))
    }

    @Test(arguments: [
        ("kohya", ["36 layers", "for sdxl networks", "--lora unet=FILE", "--loras"], ["high=", "text encoder"]),
        (
            "kohya_text", ["layers of text encoder 1", "layers of text encoder 2", "--lora unet=FILE"],
            ["high="]
        ),
    ]) func `A LoRA file is told with the expert's name`(name: String, words: [String], not: [String]) throws {
        let run = try command.run(["inspect", "\(Self.fixture)/lora/\(name).safetensors"])
        #expect(run.code == 0, "\(run.said)")
        for word in words { #expect(run.text.contains(word), "\(run.text)") }
        for word in not { #expect(!run.text.contains(word), "\(run.text)") }
    }

    /// A file that is named as the model is opened as one, and told for what it is.
    @Test func `A part alone is no model`() throws {
        let vae = "\(Self.fixture)/vae/diffusion_pytorch_model.safetensors"
        let run = try command.run(["generate", "a dog", "--model", vae])
        #expect(run.code == 1)
        #expect(run.said.contains("autoencoder") && run.said.contains("expert"), "\(run.said)")
    }
}
