import CKernels

/// Small products beside each other: a matrix for each group of neighbouring channels (a grouped convolution of one cell).
package struct GroupedLinear: Sendable {
    /// `[groups, n, n]`, inputs by outputs.
    let matrices: Tensor

    /// - Parameter weight: `[groups * n, n]`, outputs by inputs of their group.
    package init(weight: Tensor) {
        let n = weight.shape[1]
        precondition(weight.shape[0] % n == 0, "\(weight.shape) is not made of square groups")
        matrices = Tensor.lasting {
            Tensor(shape: [weight.shape[0] / n, n, n]) { out in
                weight.withUnsafe { weight in
                    for index in out.indices {
                        let (group, input, output) = (index / (n * n), index / n % n, index % n)
                        out[index] = weight[(group * n + output) * n + input]
                    }
                }
            }
        }
    }
}

extension Compute {
    /// Rows of one head that an item takes.
    private static let linearRows = 512

    /// Attention with relu in place of softmax: out_i = (sum_j v_j (k_j q_i)) / (sum_j k_j q_i + 1e-15) with q and k after relu,
    /// in float32 (Katharopoulos et al., arXiv 2006.16236). q, k, v `[B * rows, heads * D]` -> the same shape.
    ///
    /// - Parameter batch: B. Entries do not see each other.
    package func linearAttention(q: Tensor, k: Tensor, v: Tensor, batch: Int, heads: Int) -> Tensor {
        precondition(q.count == k.count && q.count == v.count, "linear attention of \(q.shape), \(k.shape), \(v.shape)")
        let width = q.shape[1]
        let out = Tensor(uninitialized: q.shape)
        run(
            phasor_linear_attention(
                q: q.pointer, k: k.pointer, v: v.pointer, out: out.pointer, batch: batch, rows: q.shape[0] / batch,
                heads: heads, head_dim: width / heads, stride: width, head_stride: width / heads, out_stride: width))
        withExtendedLifetime((q, k, v)) {}
        return out
    }

    /// The same of tensors `[rows, heads * 3 D]` in which a head's query, key and value lie side by side: -> `[rows,
    /// sources.count * heads * D]`, all heads of the first one before those of the second.
    package func linearAttention(packed sources: [Tensor], heads: Int) -> Tensor {
        let (rows, width) = (sources[0].shape[0], sources[0].shape[1] / 3)
        precondition(sources.allSatisfy { $0.shape == [rows, 3 * width] }, "sources differ in shape")
        let (dim, total) = (width / heads, sources.count * width)
        let out = Tensor(uninitialized: [rows, total])
        for (index, source) in sources.enumerated() {
            run(
                phasor_linear_attention(
                    q: source.pointer, k: source.pointer + dim, v: source.pointer + 2 * dim,
                    out: out.pointer + index * width, batch: 1, rows: rows, heads: heads, head_dim: dim,
                    stride: 3 * width, head_stride: 3 * dim, out_stride: total))
        }
        withExtendedLifetime(sources) {}
        return out
    }

    private func run(_ work: phasor_linear_attention) {
        var work = work
        let size = phasor_linear_attention_sums(&work)
        let (heads, pieces) = (work.batch * work.heads, (work.rows + Self.linearRows - 1) / Self.linearRows)
        let sums = Tensor(uninitialized: [heads, size])
        let shared = work
        parallel(heads) { head, _ in
            var work = shared
            phasor_linear_attention_sum(&work, head, sums.pointer + head * size)
        }
        parallel(heads * pieces) { item, _ in
            var work = shared
            let first = item % pieces * Self.linearRows
            phasor_linear_attention_apply(
                &work, item / pieces, first, min(Self.linearRows, work.rows - first),
                sums.pointer + item / pieces * size)
        }
        withExtendedLifetime(sums) {}
    }

    /// x `[rows, groups * n]` -> the same shape, each group by its own matrix, in float32.
    package func linear(_ x: Tensor, _ layer: GroupedLinear) -> Tensor {
        let (groups, n) = (layer.matrices.shape[0], layer.matrices.shape[1])
        precondition(x.shape[1] == groups * n, "a product of \(x.shape) in \(groups) groups of \(n)")
        let out = Tensor(uninitialized: x.shape)
        let width = groups * n
        parallel(x.shape[0], grain: 64) { rows in
            let start = rows.lowerBound * width
            phasor_grouped_product(
                x.pointer + start, layer.matrices.pointer, out.pointer + start, rows.count, groups, n)
        }
        withExtendedLifetime((x, layer)) {}
        return out
    }
}
