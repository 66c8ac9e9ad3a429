import Foundation
import Pictures
import Tensor
import Weights

/// Golden tensors of one check: what went into a computation of the reference libraries and what came out.
package struct GoldenCheck {
    package let name: String
    package let component: String
    package let parameters: [String: Any]
    package let tolerance: Tolerance
    package let inputs: [String: Weight]
    package let outputs: [String: Weight]
    fileprivate let readPicture: (String) throws -> RGBImage

    /// A value passes when |value - reference| <= atol + rtol |reference|.
    package struct Tolerance {
        package let atol: Double
        package let rtol: Double
    }

    /// An input as float32.
    /// - Throws: `VerificationError.badFixture` if the check has no such input.
    func input(_ name: String) throws -> Tensor {
        guard let weight = inputs[name] else {
            throw VerificationError.badFixture("\(self.name): the reference has no input \"\(name)\"")
        }
        return weight.widened()
    }

    func integers(_ name: String) throws -> [Int] {
        guard let weight = inputs[name] else {
            throw VerificationError.badFixture("\(self.name): the reference has no input \"\(name)\"")
        }
        return weight.integers
    }

    /// The picture in the file that a parameter names.
    func picture(_ name: String) throws -> RGBImage { try readPicture(parameter(name, as: String.self)) }

    /// The pictures in the files that a parameter lists.
    func pictures(_ name: String) throws -> [RGBImage] {
        try parameter(name, as: [String].self).map { try readPicture($0) }
    }

    func parameter<T>(_ name: String, as type: T.Type = T.self) throws -> T {
        guard let value = parameters[name] as? T else {
            throw VerificationError.badFixture("\(self.name): the manifest has no parameter \"\(name)\" of that type")
        }
        return value
    }
}

/// A fixture folder: `manifest.json` and the reference files it names.
package struct FixtureFolder {
    package let path: String
    package let family: String
    package let checks: [GoldenCheck]

    /// - Parameter picture: reads a file of a picture.
    /// - Throws: `VerificationError.badFixture`, or `WeightError` for a damaged reference file.
    package init(path: String, picture: @escaping (String) throws -> RGBImage) throws {
        let file = "\(path)/manifest.json"
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
            throw VerificationError.badFixture(
                "\(file) is not there, as it is in a fixture folder (phasor render --verify is for the files of a batch)"
            )
        }
        guard let manifest = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
        else { throw VerificationError.badFixture("\(file) cannot be read as a JSON object") }
        guard let family = manifest["family"] as? String, let entries = manifest["checks"] as? [[String: Any]] else {
            throw VerificationError.badFixture("\(file) has no \"family\" and list of \"checks\"")
        }
        self.path = path
        self.family = family
        checks = try entries.map { try Self.check($0, folder: path, picture: picture) }
    }

    private static func check(
        _ entry: [String: Any], folder: String, picture: @escaping (String) throws -> RGBImage
    ) throws -> GoldenCheck {
        guard let name = entry["name"] as? String, let component = entry["component"] as? String,
            let file = entry["file"] as? String
        else { throw VerificationError.badFixture("\(folder)/manifest.json: a check has no name, component or file") }
        guard let tolerance = (entry["tolerance"] as? [String: Any])?["f32"] as? [String: Any],
            let atol = tolerance["atol"] as? Double, let rtol = tolerance["rtol"] as? Double
        else { throw VerificationError.badFixture("\(folder)/manifest.json: check \(name) has no f32 tolerance") }
        let reference = try Safetensors(path: "\(folder)/\(file)")
        func part(_ prefix: String) -> [String: Weight] {
            Dictionary(
                uniqueKeysWithValues: reference.tensors.compactMap { key, weight in
                    key.hasPrefix(prefix) ? (String(key.dropFirst(prefix.count)), weight) : nil
                })
        }
        return GoldenCheck(
            name: name, component: component, parameters: entry["params"] as? [String: Any] ?? [:],
            tolerance: GoldenCheck.Tolerance(atol: atol, rtol: rtol), inputs: part("in."), outputs: part("out."),
            readPicture: { try picture("\(folder)/\($0)") })
    }
}

package enum VerificationError: Error, CustomStringConvertible {
    /// The fixture itself is not usable.
    case badFixture(String)
    /// No computation is known for this check.
    case unknownCheck(String)

    package var description: String {
        switch self {
        case .badFixture(let reason): reason
        case .unknownCheck(let name): "check \(name) is not known here"
        }
    }
}

extension Weight {
    /// Elements of an integer tensor; empty for other types.
    var integers: [Int] {
        guard type == .i64 else { return [] }
        return (0..<count).map { Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)) }
    }
}
