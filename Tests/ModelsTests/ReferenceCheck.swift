import Foundation
import Tensor
import TestSupport
import Testing
import Weights

/// One check of a fixture folder's `manifest.json`: its tensors, parameters and tolerance.
struct ReferenceCheck {
    private struct Manifest: Decodable {
        let checks: [Entry]
    }
    private struct Entry: Decodable {
        struct Tolerance: Decodable {
            struct Bounds: Decodable {
                let atol, rtol: Float
            }
            let f32: Bounds
        }
        struct Parameters: Decodable {
            let prompts: [String]?
            let endToEndPrompt: String?
            let endToEndNegativePrompt: String?

            enum CodingKeys: String, CodingKey {
                case prompts
                case endToEndPrompt = "e2e_prompt"
                case endToEndNegativePrompt = "e2e_negative_prompt"
            }
        }
        let name, file: String
        let params: Parameters
        let tolerance: Tolerance
    }

    private let entry: Entry
    private let tensors: [String: Weight]

    init(_ name: String, of folder: String = "wan22-tiny") throws {
        let manifest = try Fixtures.json(Manifest.self, "\(folder)/manifest.json")
        entry = try #require(manifest.checks.first { $0.name == name })
        tensors = try Safetensors(path: Fixtures.root.appending(path: "\(folder)/\(entry.file)").path).tensors
    }

    var prompts: [String] { entry.params.prompts ?? [] }
    var endToEndPrompt: String? { entry.params.endToEndPrompt }
    var endToEndNegativePrompt: String? { entry.params.endToEndNegativePrompt }

    func tensor(_ name: String) throws -> Tensor { try #require(tensors[name], "\(name)").widened() }

    func integers(_ name: String) throws -> [Int] { try tensor(name).array.map { Int($0) } }

    /// The ids of each row of `in.input_ids` where `in.attention_mask` is 1.
    func rowsOfTokens() throws -> [[Int]] {
        let ids = try tensor("in.input_ids")
        let mask = try tensor("in.attention_mask")
        return (0..<ids.shape[0]).map { row in
            zip(ids[row].array, mask[row].array).filter { $0.1 == 1 }.map { Int($0.0) }
        }
    }

    /// Compares `[n, d]` with the first n rows of `expected`; the rows after them must be zero there.
    func expectRows(_ values: Tensor, equal expected: Tensor) throws {
        #expect(values.shape.last == expected.shape.last)
        let (values, expected) = (values.array, expected.array)
        try #require(values.count <= expected.count)
        let bounds = entry.tolerance.f32
        let wrong = zip(values, expected).filter { !(abs($0 - $1) <= bounds.atol + bounds.rtol * abs($1)) }
        #expect(
            wrong.isEmpty, "\(wrong.count) of \(values.count) values differ, first \(String(describing: wrong.first))")
        #expect(expected[values.count...].allSatisfy { $0 == 0 })
    }
}
