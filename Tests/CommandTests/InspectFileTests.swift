import Foundation
import Testing

@Suite struct InspectFileTests {
    private static let fixtures = CommandRun.root.appending(path: "Tests/Fixtures").path

    /// Nobody is sent for a tokenizer that the file has.
    @Test(arguments: [
        ("gguf/umt5.gguf", "with the tokenizer that it carries"), ("gguf/gemma2.gguf", "with --tokenizer DIR"),
        ("wan22-tiny/text_encoder", "with --tokenizer DIR"),
    ])
    func `A text encoder is told with or without a tokenizer`(file: String, says: String) throws {
        let run = try CommandRun().run(["inspect", "\(Self.fixtures)/\(file)"])
        #expect(run.code == 0 && run.text.contains("use it as --text-encoder FILE, \(says)"), "\(run.text)\(run.said)")
    }

    @Test func `A file that is not there is told as such`() throws {
        let run = try CommandRun().run(["inspect", "none.safetensors"])
        #expect(run.code != 0 && run.said.contains("no such file or folder"), "\(run.said)")
    }
}
