import Tensor

/// The hidden states of a text encoder on the rows of ids that a check gives, each row alone; padded positions, which
/// are never computed, are zero in the reference.
///
/// - Parameter encode: runs the encoder and hands on its hidden states `[n, dim]`.
/// - Returns: for each of them `[rows, length, dim]`.
func hiddenStates(
    _ check: GoldenCheck, _ encode: (_ ids: [Int], _ onHidden: (Tensor) -> Void) throws -> Void
) throws -> [Tensor] {
    guard let shape = check.inputs["input_ids"]?.shape, shape.count == 2 else {
        throw VerificationError.badFixture("\(check.name): input_ids is not [rows, length]")
    }
    let (ids, mask) = (try check.integers("input_ids"), try check.integers("attention_mask"))
    var stages: [[Tensor]] = []
    for row in 0..<shape[0] {
        let range = row * shape[1]..<(row + 1) * shape[1]
        let count = mask[range].reduce(0, +)
        var hidden: [Tensor] = []
        try encode(Array(ids[range].prefix(count))) { hidden.append(padded($0, to: shape[1])) }
        stages.append(hidden)
    }
    return (0..<(stages.first?.count ?? 0)).map { stage in stacked(stages.map { $0[stage] }) }
}

/// Rows of zeros after x `[n, dim]`.
func padded(_ x: Tensor, to length: Int) -> Tensor {
    x.shape[0] < length ? Tensor.concatenate([x, Tensor(zeros: [length - x.shape[0], x.shape[1]])]) : x
}

/// Tensors of one shape along a new first axis.
package func stacked(_ tensors: [Tensor]) -> Tensor {
    Tensor.concatenate(tensors.map { $0.reshaped([1] + $0.shape) })
}
