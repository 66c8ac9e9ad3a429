#include "bf16.h"

#if defined(__aarch64__)
#include <arm_neon.h>

// Fours of bf16, summed in float32 by BFMMLA, which multiplies two rows by two columns: a step is four values of K, in 3
// pairs of rows x 8 pairs of columns of accumulators. An odd last row is its own partner.

enum { STEP = 4, PAIRS = ENGINE_ROWS / 2 };

PHASOR_NEON_BF16 PHASOR_INLINE void strip(const phasor_tile *t, size_t j, const int rows) {
    const int pairs = (rows + 1) / 2;
    float32x4_t sum[PAIRS][8];  // two columns of the one row, two of the other
    for (int i = 0; i < pairs; i++) {
        const float *upper = t->c + 2 * i * t->stride + j;
        const float *lower = 2 * i + 1 < rows ? upper + t->stride : upper;
        for (int v = 0; v < 8; v++)
            sum[i][v] = t->accumulate ? vcombine_f32(vld1_f32(upper + 2 * v), vld1_f32(lower + 2 * v)) : vdupq_n_f32(0);
    }
    const uint16_t *b = (const uint16_t *)t->panel + j * STEP;
    for (size_t s = 0; s < t->segments; s++) {
        const uint16_t *a[ENGINE_ROWS];
        for (int i = 0; i < 2 * pairs; i++) a[i] = (const uint16_t *)(t->a[i < rows ? i : i - 1] + t->offsets[s]);
        for (size_t p = 0; p < t->steps; p++, b += t->columns * STEP) {
            bfloat16x8_t x[PAIRS];
            for (int i = 0; i < pairs; i++)
                x[i] = vreinterpretq_bf16_u16(vcombine_u16(vld1_u16(a[2 * i] + p * STEP), vld1_u16(a[2 * i + 1] + p * STEP)));
            for (int v = 0; v < 8; v++) {
                bfloat16x8_t y = vreinterpretq_bf16_u16(vld1q_u16(b + 8 * v));
                for (int i = 0; i < pairs; i++) sum[i][v] = vbfmmlaq_f32(sum[i][v], x[i], y);
            }
        }
    }
    for (int i = 0; i < pairs; i++) {
        float *upper = t->c + 2 * i * t->stride + j;
        for (int v = 0; v < 8; v++) {
            vst1_f32(upper + 2 * v, vget_low_f32(sum[i][v]));
            if (2 * i + 1 < rows) vst1_f32(upper + t->stride + 2 * v, vget_high_f32(sum[i][v]));
        }
    }
}

PHASOR_STRIPS(PHASOR_NEON_BF16, strip)

static void pack(const float *in, size_t count, float scale, void *out) { bf16_pack(in, count, scale, STEP, out); }

static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    bf16_transpose(rows, stride, columns, k, width, STEP, panel);
}

static void transpose_bf16(const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    bf16_transpose_bf16(rows, stride, columns, k, width, STEP, panel);
}

static void interleave(const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel) {
    bf16_interleave(rows, stride, k, columns, width, STEP, panel);
}

const phasor_engine phasor_engine_neon_bf16 = {
    .rows = ENGINE_ROWS,
    .step = STEP,
    .element = sizeof(uint16_t),
    .pack = pack,
    .transpose = transpose,
    .transpose_bf16 = transpose_bf16,
    .interleave = interleave,
    .multiply = multiply,
};
#endif
