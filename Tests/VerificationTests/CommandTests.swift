import Foundation
import Testing

/// `phasor verify` as it is called: what it refuses before it computes.
struct CommandTests {
    /// The executable beside the tests, which are built into the same folder.
    private static let executable = URL(fileURLWithPath: CommandLine.arguments[0])
        .resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "phasor")

    /// They name parts of a model to open; the references belong to the folder's own.
    @Test(arguments: [
        "--expert", "--text-encoder", "--vision-tower", "--tokenizer", "--vae", "--preview-vae", "--phases", "--lora",
        "--loras",
    ])
    func verifyRefusesOtherParts(option: String) throws {
        let (status, message) = try verify("none", option, "high=other.safetensors")
        #expect(status != 0)
        #expect(message.contains("\(option): verify runs the parts that lie in the fixture folder"), "\(message)")
    }

    /// A folder that a batch was made in is for another command.
    @Test func aFolderThatIsNoFixtureIsToldWhatItLacks() throws {
        let (status, message) = try verify(NSTemporaryDirectory())
        #expect(status != 0)
        #expect(message.contains("manifest.json is not there") && message.contains("render --verify"), "\(message)")
    }

    private func verify(_ arguments: String...) throws -> (status: Int32, message: String) {
        let process = Process()
        let errors = Pipe()
        process.executableURL = Self.executable
        process.arguments = ["verify"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, message)
    }
}
