#include "linear_attention.h"

#include "lanes.h"
#include "levels.h"

// Matrices of a head are small (32 x 32): they stay in the first cache while rows stream past, and sums in registers.

enum { KEYS = 8, ROWS = 4 };

/// sums[d0 + i][e...e + 15] of `keys` values of k, over all rows.
PHASOR_INLINE void sum_block(
    const phasor_linear_attention *w, const float *k, const float *v, size_t d0, size_t e, const int keys, float *sums) {
    phasor_lanes sum[KEYS];
    for (int i = 0; i < keys; i++) sum[i] = (phasor_lanes){0};
    for (size_t r = 0; r < w->rows; r++) {
        phasor_lanes value = *(const phasor_lanes *)(v + r * w->stride + e);
        for (int i = 0; i < keys; i++) sum[i] += phasor_relu(k[r * w->stride + d0 + (size_t)i]) * value;
    }
    for (int i = 0; i < keys; i++) *(phasor_lanes *)(sums + (d0 + (size_t)i) * w->head_dim + e) = sum[i];
}

size_t phasor_linear_attention_sums(const phasor_linear_attention *w) { return (w->head_dim + 1) * w->head_dim; }

static size_t place(const phasor_linear_attention *w, size_t item) {
    return item / w->heads * w->rows * w->stride + item % w->heads * w->head_stride;
}

PHASOR_INLINE void phasor_linear_attention_sum_body(const phasor_linear_attention *w, size_t item, float *sums) {
    const float *k = w->k + place(w, item), *v = w->v + place(w, item);
    size_t n = w->head_dim, e = 0;
    for (; e + LANE_COUNT <= n; e += LANE_COUNT) {
        size_t d = 0;
        for (; d + KEYS <= n; d += KEYS) sum_block(w, k, v, d, e, KEYS, sums);
        for (; d < n; d++) sum_block(w, k, v, d, e, 1, sums);
    }
    for (; e < n; e++)
        for (size_t d = 0; d < n; d++) {
            float sum = 0;
            for (size_t r = 0; r < w->rows; r++) sum += phasor_relu(k[r * w->stride + d]) * v[r * w->stride + e];
            sums[d * n + e] = sum;
        }
    float *total = sums + n * n;
    for (size_t d = 0; d < n; d++) total[d] = 0;
    for (size_t r = 0; r < w->rows; r++)
        for (size_t d = 0; d < n; d++) total[d] += phasor_relu(k[r * w->stride + d]);
}
PHASOR_DISPATCH(
    phasor_linear_attention_sum, (const phasor_linear_attention *work, size_t item, float *sums), (work, item, sums))

/// out[r] = x[r] m for `rows` rows `stride` floats apart and an n x n matrix.
PHASOR_INLINE void rows_times(
    const float *x, size_t stride, const float *m, size_t n, float *out, size_t out_stride, const int rows, bool relu) {
    size_t e = 0;
    for (; e + LANE_COUNT <= n; e += LANE_COUNT) {
        phasor_lanes sum[ROWS];
        for (int r = 0; r < rows; r++) sum[r] = (phasor_lanes){0};
        for (size_t d = 0; d < n; d++) {
            phasor_lanes line = *(const phasor_lanes *)(m + d * n + e);
            for (int r = 0; r < rows; r++) {
                float value = x[(size_t)r * stride + d];
                sum[r] += (relu ? phasor_relu(value) : value) * line;
            }
        }
        for (int r = 0; r < rows; r++) *(phasor_lanes *)(out + (size_t)r * out_stride + e) = sum[r];
    }
    for (; e < n; e++)
        for (int r = 0; r < rows; r++) {
            float sum = 0;
            for (size_t d = 0; d < n; d++) {
                float value = x[(size_t)r * stride + d];
                sum += (relu ? phasor_relu(value) : value) * m[d * n + e];
            }
            out[(size_t)r * out_stride + e] = sum;
        }
}

PHASOR_INLINE void phasor_linear_attention_apply_body(
    const phasor_linear_attention *w, size_t item, size_t first, size_t count, const float *sums) {
    size_t n = w->head_dim;
    const float *q = w->q + place(w, item) + first * w->stride, *total = sums + n * n;
    float *out = w->out + (item / w->heads * w->rows + first) * w->out_stride + item % w->heads * n;
    size_t r = 0;
    for (; r + ROWS <= count; r += ROWS)
        rows_times(q + r * w->stride, w->stride, sums, n, out + r * w->out_stride, w->out_stride, ROWS, true);
    for (; r < count; r++)
        rows_times(q + r * w->stride, w->stride, sums, n, out + r * w->out_stride, w->out_stride, 1, true);
    for (r = 0; r < count; r++) {
        float weight = 0;
        for (size_t d = 0; d < n; d++) weight += phasor_relu(q[r * w->stride + d]) * total[d];
        float factor = 1.0f / (weight + 1e-15f);
        for (size_t e = 0; e < n; e++) out[r * w->out_stride + e] *= factor;
    }
}
PHASOR_DISPATCH(
    phasor_linear_attention_apply,
    (const phasor_linear_attention *work, size_t item, size_t first, size_t count, const float *sums),
    (work, item, first, count, sums))

PHASOR_INLINE void phasor_grouped_product_body(
    const float *x, const float *w, float *out, size_t rows, size_t groups, size_t n) {
    size_t stride = groups * n;
    for (size_t g = 0; g < groups; g++) {
        size_t r = 0;
        for (; r + ROWS <= rows; r += ROWS)
            rows_times(x + r * stride + g * n, stride, w + g * n * n, n, out + r * stride + g * n, stride, ROWS, false);
        for (; r < rows; r++)
            rows_times(x + r * stride + g * n, stride, w + g * n * n, n, out + r * stride + g * n, stride, 1, false);
    }
}
PHASOR_DISPATCH(
    phasor_grouped_product,
    (const float *x, const float *w, float *out, size_t rows, size_t groups, size_t n), (x, w, out, rows, groups, n))
