import Foundation
import Tensor
import Testing
import Weights

/// Where a component's weights lie in its folder, and what lies there instead.
@Suite struct ComponentFolderTests {
    private func weights(_ folder: TemporaryFolder, _ name: String, value: UInt8 = 7) throws {
        try folder.write(zeros([("a", "U8", [1])], contents: ["a": [value]]), name)
    }

    @Test(arguments: [
        ["diffusion_pytorch_model.safetensors", "model.fp16.safetensors"],
        ["model.safetensors", "diffusion_pytorch_model.fp16.safetensors"],
        ["diffusion_pytorch_model.bf16.safetensors"], ["model.fp16.safetensors", "other.safetensors"],
        ["adapter_model.safetensors"], ["wan_high.safetensors", "notes.txt"],
    ]) func theFirstNameIsTaken(names: [String]) throws {
        let folder = try TemporaryFolder()
        for (index, name) in names.enumerated() { try weights(folder, name, value: UInt8(index + 1)) }
        let checkpoint = try Checkpoint(folder: folder.path)
        #expect(checkpoint.files.map(\.path) == ["\(folder.path)/\(names[0])"])
        #expect(checkpoint.tensors["a"]?.widened().array == [1])
    }

    @Test(arguments: [
        "diffusion_pytorch_model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json",
    ]) func shardsOfAVariantAreFound(index: String) throws {
        let folder = try TemporaryFolder()
        try weights(folder, "part-1.fp16.safetensors")
        try folder.write(Array(#"{"weight_map":{"a":"part-1.fp16.safetensors"}}"#.utf8), index)
        #expect(try Checkpoint(folder: folder.path).tensors.count == 1)
    }

    @Test func severalFilesAreAskedAbout() throws {
        let folder = try TemporaryFolder()
        try weights(folder, "high.safetensors")
        try weights(folder, "low.gguf")
        let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(error))".contains("high.safetensors, low.gguf"))
    }

    @Test(arguments: [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"), ("<!DOCTYPE html>", "web page"),
        ("\u{FEFF} \r\n<html><body>login</body></html>", "web page"), ("Entry not found", "Entry not found"),
    ])
    func whatWasNotDownloadedIsNamedInEveryPlace(text: String, word: String) throws {
        let bytes = Array(text.utf8)
        // A file, a shard, the only file of a folder.
        let folder = try TemporaryFolder()
        try folder.write(bytes, "s.safetensors")
        try folder.write(Array(#"{"weight_map":{"a":"s.safetensors"}}"#.utf8), "model.safetensors.index.json")
        let single = try TemporaryFolder()
        try single.write(bytes, "model.safetensors")
        for path in ["\(folder.path)/s.safetensors", folder.path, single.path] {
            let error = #expect(throws: WeightError.self) { try Checkpoint(path: path) }
            #expect("\(try #require(error))".contains(word), "\(path)")
        }
        guard word != "Entry not found" else { return }
        // An index and a configuration.
        let other = try TemporaryFolder()
        try other.write(bytes, "model.safetensors.index.json")
        let configured = try TemporaryFolder()
        try weights(configured, "model.safetensors")
        try configured.write(bytes, "config.json")
        for (path, file) in [(other.path, "index.json"), (configured.path, "config.json")] {
            let error = #expect(throws: WeightError.self) { try Checkpoint(path: path) }
            let message = "\(try #require(error))"
            #expect(message.contains(word) && message.contains(file), "\(message)")
        }
    }

    /// The Hugging Face cache: names are links to blobs.
    @Test func aLinkHasTheSizeOfItsFile() throws {
        let folder = try TemporaryFolder()
        try weights(folder, "blob")
        let size = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/blob")).count
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/model.safetensors", withDestinationPath: "blob")
        #expect(try Checkpoint(file: "\(folder.path)/model.safetensors").files.map(\.bytes) == [size])
        #expect(try Checkpoint(folder: folder.path).files.map(\.bytes) == [size])
    }
}
