import Foundation
import Models
import Testing
import TestSupport

/// Names of single-file checkpoints against diffusers' own conversion, of the tiny network and of the published one.
@Suite struct SDXLKeyTests {
    @Test(arguments: ["unet", "unet_real"]) func everyKeyOfTheUNet(map: String) throws {
        for (theirs, ours) in try pairs(map) { #expect(SDXLKeys.unet.rename(theirs) == ours as? String) }
    }

    /// Fused projections and the transposed matrix keep a name of their own.
    @Test func everyKeyOfTheSecondTextEncoder() throws {
        for (theirs, ours) in try pairs("text_encoder_2") where theirs != "text_projection" {
            let renamed = CLIPKeys.second.rename(theirs)
            if let parts = ours as? [String] {
                #expect(parts[0].replacing("q_proj", with: "in_proj") == renamed)
            } else {
                #expect(renamed == ours as? String)
            }
        }
    }

    private func pairs(_ map: String) throws -> [String: Any] {
        let file = Fixtures.root.appending(path: "sdxl-tiny/single_file_key_map.json")
        let maps = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let pairs = try #require(maps?[map] as? [String: Any])
        #expect(pairs.count > 40)
        return pairs
    }
}
