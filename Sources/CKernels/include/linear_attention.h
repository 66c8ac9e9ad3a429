#pragma once
#include <stddef.h>

/// Attention without softmax, with relu in its place (Katharopoulos et al., arXiv 2006.16236), for each batch entry and head:
///   out_i = (sum_j v_j (k_j q_i)) / (sum_j k_j q_i + 1e-15),  q and k after relu
/// Its cost grows with the rows, not with their square. All float32.
///   q, k, v  `rows` rows an entry, `stride` floats apart, heads of `head_dim` values `head_stride` floats apart
///   out      rows `out_stride` floats apart, heads side by side
typedef struct phasor_linear_attention {
    const float *q, *k, *v;
    float *out;
    size_t batch, rows, heads, head_dim;
    size_t stride, head_stride, out_stride;
} phasor_linear_attention;

/// Floats of what is summed over the rows of one entry's head: [head_dim + 1, head_dim], values by keys, then keys.
size_t phasor_linear_attention_sums(const phasor_linear_attention *work);

/// Sums of head `item` % heads of entry `item` / heads, over the rows in order.
void phasor_linear_attention_sum(const phasor_linear_attention *work, size_t item, float *sums);

/// Rows first..<first + count of one entry's head from its sums.
void phasor_linear_attention_apply(
    const phasor_linear_attention *work, size_t item, size_t first, size_t count, const float *sums);

/// A product for each group of neighbouring channels: out[r, g n + o] = sum_i x[r, g n + i] w[g, i, o].
///   x, out  [rows, groups * n], apart
///   w       [groups, n, n]
void phasor_grouped_product(const float *x, const float *w, float *out, size_t rows, size_t groups, size_t n);
