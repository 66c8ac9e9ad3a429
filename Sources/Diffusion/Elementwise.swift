import Tensor

/// Applies `body` to corresponding elements. Plain loops: they vectorise, and no element depends on another, so the
/// result is the same however it is computed. All inputs have the shape of `a`, which the callers have checked.
@inline(__always)
func elementwise(_ a: Tensor, _ b: Tensor, _ body: (Float, Float) -> Float) -> Tensor {
    precondition(a.count == b.count)
    return Tensor(shape: a.shape) { result in
        a.withUnsafe { a in
            b.withUnsafe { b in
                for i in 0..<result.count { result[i] = body(a[i], b[i]) }
            }
        }
    }
}

@inline(__always)
func elementwise(_ a: Tensor, _ b: Tensor, _ c: Tensor, _ body: (Float, Float, Float) -> Float) -> Tensor {
    precondition(a.count == b.count && a.count == c.count)
    return Tensor(shape: a.shape) { result in
        a.withUnsafe { a in
            b.withUnsafe { b in
                c.withUnsafe { c in
                    for i in 0..<result.count { result[i] = body(a[i], b[i], c[i]) }
                }
            }
        }
    }
}
