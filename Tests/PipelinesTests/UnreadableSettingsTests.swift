import Foundation
import Pipelines
import Tensor
import Testing

/// JSON files that are not what they should be: a refusal names the file, and the key or what is in the file's place.
@Suite struct UnreadableSettingsTests {
    private func refusal(_ original: String = fixture, _ damage: (ModelCopy) throws -> Void) throws -> String {
        let model = try ModelCopy(original)
        try damage(model)
        do {
            _ = try Pipeline(folder: model.path, compute: Compute(threads: 1))
            return ""
        } catch {
            return "\(error)"
        }
    }

    private static func phases(_ defaults: String) -> String {
        #"{"defaults":\#(defaults),"default":"a","generators":{"a":{"sampler":"euler","sigmas":[1,0.9,0.4],"#
            + #""phases":[{"name":"all","sigma":[0,1],"expert":"transformer"}]}}}"#
    }

    @Test func `Defaults that are right are taken`() throws {
        let model = try ModelCopy()
        try model.write(Self.phases(#"{"width":64,"height":32,"frames":9,"fps":8}"#), "phases.json")
        let sizes = try Pipeline(folder: model.path, compute: Compute(threads: 1)).sizes
        #expect((sizes.defaultWidth, sizes.defaultHeight, sizes.defaultFrames, sizes.defaultFPS) == (64, 32, 9, 8))
    }

    @Test(arguments: [
        (#"{"width":64,"height":32,"frames":9}"#, "defaults.fps"),
        (#"{"width":64,"frames":9,"fps":8}"#, "defaults.height"),
        (#"{"width":"64","height":32,"frames":9,"fps":8}"#, "defaults.width"),
        (#"{"width":64.5,"height":32,"frames":9,"fps":8}"#, "defaults.width"),
        (#"{"width":64,"height":null,"frames":9,"fps":8}"#, "defaults.height"),
        (#"{"width":64,"height":32,"frames":[9],"fps":8}"#, "defaults.frames"),
        (#"{"width":64,"height":32,"frames":8,"fps":8}"#, "defaults.frames"),
        (#"{"width":64,"height":32,"frames":9,"fps":1e300}"#, "defaults.fps"),
        (#"[64, 32]"#, "defaults"), (#""64x32""#, "defaults"), ("true", "defaults"),
    ])
    func `Malformed defaults are refused with file and key`(_ defaults: String, _ key: String) throws {
        let reason = try refusal { try $0.write(Self.phases(defaults), "phases.json") }
        #expect(reason.contains("phases.json") && reason.contains(key), "\(reason)")
    }

    private static let foreign = [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:3f\nsize 14304896\n", "a Git LFS pointer"),
        ("\u{FEFF}\r\n<!DOCTYPE html><html></html>", "a web page"),
    ]

    @Test(arguments: foreign) func `A pointer or a web page in place of JSON is called so`(
        _ content: String, _ name: String
    ) throws {
        for file in ["model_index.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "phases.json"] {
            let reason = try refusal { try $0.write(content, file) }
            #expect(reason.contains(name) && reason.contains(file), "\(file): \(reason)")
        }
        let vocabulary = try refusal(qwenFixture) { model in
            try? model.remove("tokenizer/tokenizer.json")
            try model.write(content, "tokenizer/vocab.json")
        }
        #expect(vocabulary.contains(name) && vocabulary.contains("vocab.json"), "\(vocabulary)")
    }
}
