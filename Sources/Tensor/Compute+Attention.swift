import CKernels

/// What is added to attention scores, and which keys a query may see.
package struct AttentionMask {
    /// `[B, keys]`, added to every score of a key; -infinity hides it. log(n) makes one key count as n equal ones.
    package var keyBias: Tensor?
    /// `[heads, queries, keys]`, added for every batch entry.
    package var scoreBias: Tensor?
    /// Query i sees keys 0...keysBefore + i only.
    package var causal = false
    /// Keys of rows that are not among the queries because they were computed before.
    package var keysBefore = 0

    package init(
        keyBias: Tensor? = nil, scoreBias: Tensor? = nil, causal: Bool = false, keysBefore: Int = 0
    ) {
        self.keyBias = keyBias
        self.scoreBias = scoreBias
        self.causal = causal
        self.keysBefore = keysBefore
    }
}

extension Compute {
    /// softmax(scale q k^T + mask) v. q `[B * queries, heads * D]`, k and v `[B * keys, kvHeads * D]` -> like q.
    ///
    /// - Parameters:
    ///   - batch: B. Entries do not see each other.
    ///   - kvHeads: heads of k and v where several query heads share one (grouped-query attention); default `heads`.
    ///   - scale: default 1 / sqrt(D).
    ///   - softCap: scores become softCap * tanh(score / softCap) before the mask (Gemma 2); 0: they do not.
    package func attention(
        q: Tensor, k: Tensor, v: Tensor, batch: Int = 1, heads: Int, kvHeads: Int? = nil, scale: Float? = nil,
        softCap: Float = 0, mask: AttentionMask = AttentionMask()
    ) -> Tensor {
        let kvHeads = kvHeads ?? heads
        let headDim = (q.shape.last ?? 0) / heads
        let out = Tensor(uninitialized: q.shape)
        let queries = q.count / (heads * headDim) / batch
        let keys = k.count / (kvHeads * headDim) / batch
        precondition(heads % kvHeads == 0 && k.count == v.count, "attention shapes do not fit")
        var work = phasor_attention(
            q: q.pointer, k: k.pointer, v: v.pointer, out: out.pointer, batch: batch, queries: queries, keys: keys,
            heads: heads, kv_heads: kvHeads, head_dim: headDim, scale: scale ?? 1 / Float(headDim).squareRoot(),
            key_bias: mask.keyBias.map { UnsafePointer($0.pointer) },
            score_bias: mask.scoreBias.map { UnsafePointer($0.pointer) }, soft_cap: softCap, causal: mask.causal,
            keys_before: mask.keysBefore,
            scoring: scoringEngine(queries: queries, keys: keys, mask: mask, softCap: softCap))
        let scratch = Tensor(bytes: phasor_attention_scratch(engine, &work, Int32(threads)))
        scratch.withUnsafeMutable { scratch in
            withPool { phasor_attention_run($0, engine, &work, scratch.baseAddress) }
        }
        withExtendedLifetime((q, k, v, mask.keyBias, mask.scoreBias)) {}
        return out
    }

    /// What multiplies queries and keys where it is not the engine of all: that of int8, where there are enough of both that rounding
    /// them costs less time than it saves, and where taking the mean off the keys changes no weight.
    private func scoringEngine(queries: Int, keys: Int, mask: AttentionMask, softCap: Float) -> OpaquePointer? {
        min(queries, keys) >= 256 && !mask.causal && softCap == 0 ? int8Engine : nil
    }
}
