import Foundation
import Tensor
import Weights

/// One row of the parity table: how far a tensor is from its reference.
package struct Comparison: Sendable {
    package let check: String
    package let tensor: String
    /// The largest absolute difference; nil where nothing could be compared.
    package let maximumError: Double?
    package let atol: Double
    package let rtol: Double
    package let passed: Bool
    /// Why there is nothing to compare, or where it failed.
    package let note: String

    package init(_ check: GoldenCheck, _ tensor: String, error: Double?, passed: Bool, note: String = "") {
        self.init(
            check: check.name, tensor: tensor, maximumError: error, atol: check.tolerance.atol,
            rtol: check.tolerance.rtol, passed: passed, note: note)
    }

    init(
        check: String, tensor: String, maximumError: Double?, atol: Double, rtol: Double, passed: Bool, note: String
    ) {
        self.check = check
        self.tensor = tensor
        self.maximumError = maximumError
        self.atol = atol
        self.rtol = rtol
        self.passed = passed
        self.note = note
    }

    /// Compares element by element; shapes may differ in axes of length 1 only.
    package static func compare(_ value: Tensor, with reference: Weight, in check: GoldenCheck, as name: String)
        -> Comparison
    {
        let (given, wanted) = (value.shape.filter { $0 != 1 }, reference.shape.filter { $0 != 1 })
        guard given == wanted else {
            return Comparison(
                check, name, error: nil, passed: false, note: "shape \(value.shape), reference \(reference.shape)")
        }
        var largest = 0.0
        var worst: Int?
        let expected = reference.widened()
        value.withUnsafe { value in
            expected.withUnsafe { expected in
                for index in value.indices {
                    let difference = abs(Double(value[index]) - Double(expected[index]))
                    largest = difference.isNaN ? .nan : max(largest, difference)
                    let bound = check.tolerance.atol + check.tolerance.rtol * abs(Double(expected[index]))
                    if !(difference <= bound), worst == nil { worst = index }
                }
            }
        }
        return Comparison(
            check, name, error: largest, passed: worst == nil, note: worst.map { "first beyond at element \($0)" } ?? ""
        )
    }

    package static func compare(_ value: [Int], with reference: Weight, in check: GoldenCheck, as name: String)
        -> Comparison
    {
        let expected = reference.integers
        guard value.count == expected.count else {
            return Comparison(
                check, name, error: nil, passed: false, note: "\(value.count) values, reference \(expected.count)")
        }
        let wrong = zip(value, expected).enumerated().filter { $0.element.0 != $0.element.1 }
        let largest = wrong.map { abs(Double($0.element.0) - Double($0.element.1)) }.max() ?? 0
        return Comparison(
            check, name, error: largest, passed: wrong.isEmpty,
            note: wrong.first.map { "\(wrong.count) differ, the first at element \($0.offset)" } ?? "")
    }
}

/// What a check computed, by the name of the reference tensor.
package enum Computed {
    case tensor(Tensor)
    case integers([Int])
}
