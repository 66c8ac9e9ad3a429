import Foundation
import Tensor
import TestSupport
import Testing
import Weights

/// The networks of a fixture folder, `z-image-tiny` unless told otherwise, as one file under the names that other tools give their tensors.
enum SingleFile {
    static let folder = "z-image-tiny"
    static var path: String { Fixtures.root.appending(path: folder).path }

    /// What a name of theirs holds: one tensor of ours, or several below each other.
    private enum Names: Decodable {
        case one(String)
        case several([String])

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            self =
                if let name = try? value.decode(String.self) { .one(name) } else {
                    .several(try value.decode([String].self))
                }
        }
    }

    private struct Maps: Decodable {
        let transformer: [String: Names]
        let vae: [String: Names]
    }

    /// Writes `component` under the names that `single_file_key_map.json` has for it.
    ///
    /// - Parameters:
    ///   - shape: changes the shape of a tensor.
    ///   - rename: changes a name of theirs.
    ///   - value: changes a tensor of theirs.
    ///   - extra: tensors that nobody reads.
    static func write(
        _ component: String, of folder: String = folder, prefix: String, to file: String,
        extra: [String: Tensor] = [:], shape: (_ name: String, _ shape: [Int]) -> [Int] = { $1 },
        rename: (_ name: String) -> String = { $0 },
        value change: (_ name: String, _ value: Tensor) -> Tensor = { $1 }
    ) throws {
        let maps = try Fixtures.json(Maps.self, "\(folder)/single_file_key_map.json")
        let checkpoint = try Checkpoint(folder: Fixtures.root.appending(path: "\(folder)/\(component)").path)
        func tensor(_ name: String) throws -> Tensor { try #require(checkpoint.tensors[name], "\(name)").widened() }
        var tensors = extra
        for (theirs, ours) in component == "vae" ? maps.vae : maps.transformer {
            let value =
                switch ours {
                case .one(let name): try tensor(name)
                case .several(let names): Tensor.concatenate(try names.map(tensor))
                }
            tensors[rename(theirs)] = change(theirs, value.reshaped(shape(theirs, value.shape)))
        }
        try SafetensorsWriter.write(
            tensors.sorted { $0.key < $1.key }.map { ("\(prefix)\($0.key)", $0.value) }, to: file)
    }
}
