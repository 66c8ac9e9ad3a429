import Foundation
import Tensor
import TestSupport
import Testing
import Weights

/// The networks of a Wan fixture as single files under the names of the original repositories.
struct OriginalNames {
    private struct Map: Decodable {
        let names: [String: String]
        enum CodingKeys: String, CodingKey { case names = "this_model" }
    }

    /// Of the fixture.
    let folder: String

    var path: String { Fixtures.root.appending(path: folder).path }

    /// Writes `component` (`transformer`, `vae`) to a file, its types widened to float32.
    /// - Parameter shape: changes the shape of a tensor of that original name.
    func write(
        _ component: String, to file: String, prefix: String = "", shape: (String, [Int]) -> [Int] = { $1 }
    ) throws {
        let map = component == "vae" ? "vae" : "transformer"
        let names = try Fixtures.json(Map.self, "\(folder)/original_format/\(map)_key_map.json").names
        let checkpoint = try Checkpoint(folder: "\(path)/\(component)")
        try #require(Set(names.values) == Set(checkpoint.tensors.keys))
        let tensors = try names.sorted { $0.key < $1.key }.map { theirs, ours in
            let tensor = try #require(checkpoint.tensors[ours]).widened()
            return ("\(prefix)\(theirs)", tensor.reshaped(shape(theirs, tensor.shape)))
        }
        try SafetensorsWriter.write(tensors, to: file)
    }
}
