import Foundation
import Tensor
import Testing
import Verification

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures").path
private let committed = [
    "wan22-tiny", "wan22-i2v-tiny", "wan22-ti2v-tiny", "qwen-image-tiny", "qwen-image-edit-tiny", "z-image-tiny",
    "flux2-klein-tiny", "sdxl-tiny", "sana-sprint-tiny", "taehv-tiny",
].map { "\(fixtures)/\($0)" }

/// The committed fixtures and the folders named in PHASOR_FIXTURES, separated by colons.
private let folders: [String] =
    committed
    + (ProcessInfo.processInfo.environment["PHASOR_FIXTURES"] ?? "").split(separator: ":").map(String.init)

/// Every number that the reference libraries computed, within the tolerance that the manifest states.
@Suite struct VerificationTests {
    @Test(arguments: folders) func everyCheckPasses(folder: String) throws {
        let verifier = try Verifier(folder: folder, compute: Compute(threads: 2))
        #expect(verifier.checkCount > 0)
        let rows = verifier.run()
        for row in rows {
            #expect(row.passed, "\(row.check) \(row.tensor): error \(row.maximumError ?? .nan) \(row.note)")
        }
        #expect(Set(rows.map(\.check)).count == verifier.checkCount)
    }

    /// A check nobody knows, or a value that is off, must fail: else the suite could not.
    @Test func wrongReferenceFails() throws {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try FileManager.default.copyItem(atPath: committed[0], toPath: copy)
        let manifest = URL(fileURLWithPath: "\(copy)/manifest.json")
        var text = try String(contentsOf: manifest, encoding: .utf8)
        text = text.replacingOccurrences(of: "\"name\": \"vae_part_resnet\"", with: "\"name\": \"vae_part_unheard_of\"")
        try Data(text.utf8).write(to: manifest)
        // Last byte of the last tensor: the exponent of one reference value.
        let reference = URL(fileURLWithPath: "\(copy)/reference/transformer_block1.safetensors")
        var bytes = try Data(contentsOf: reference)
        bytes[bytes.count - 1] ^= 0x02
        try bytes.write(to: reference)

        let rows = try Verifier(folder: copy, compute: Compute(threads: 1)).run()
        let failed = Set(rows.filter { !$0.passed }.map(\.check))
        #expect(failed == ["vae_part_unheard_of", "transformer_block1"])
    }
}
