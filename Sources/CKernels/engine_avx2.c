#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "levels.h"

// float32 in strips of 16 columns: 6 rows x 2 vectors of accumulators leave room for two of the panel and a broadcast. A strip reads
// its group of the panel from the second-level cache, in order, as fast as processors fetch ahead.

PHASOR_AVX2 static inline __attribute__((always_inline)) void strip(const phasor_tile *t, size_t j, const int rows) {
    __m256 sum[ENGINE_ROWS][2];
    float *c = t->c + j;
#pragma unroll
    for (int i = 0; i < rows; i++) {
        sum[i][0] = t->accumulate ? _mm256_loadu_ps(c + i * t->stride) : _mm256_setzero_ps();
        sum[i][1] = t->accumulate ? _mm256_loadu_ps(c + i * t->stride + 8) : _mm256_setzero_ps();
    }
    for (size_t s = 0; s < t->segments; s++) {
        const float *b = (const float *)t->panel + (s * t->columns + j) * t->steps;
        const float *a[ENGINE_ROWS];
#pragma unroll
        for (int i = 0; i < rows; i++) a[i] = (const float *)(t->a[i] + t->offsets[s]);
        for (size_t p = 0; p < t->steps; p++, b += ENGINE_LANES) {
            __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
#pragma unroll
            for (int i = 0; i < rows; i++) {
                __m256 x = _mm256_broadcast_ss(a[i] + p);
                sum[i][0] = _mm256_fmadd_ps(x, b0, sum[i][0]);
                sum[i][1] = _mm256_fmadd_ps(x, b1, sum[i][1]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_ps(c + i * t->stride, sum[i][0]);
        _mm256_storeu_ps(c + i * t->stride + 8, sum[i][1]);
    }
}

PHASOR_STRIPS(PHASOR_AVX2, strip)

/// Eight values of each of eight rows become eight rows of eight, `width` floats apart.
PHASOR_AVX2 static inline __attribute__((always_inline)) void turn(
    const float *rows, size_t stride, float *out, size_t width) {
    __m256 r[8], pairs[8], fours[8];
#pragma unroll
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(rows + i * stride);
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma unroll
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + i * width, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * width, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
    }
}

PHASOR_AVX2 static void transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    float *o = panel;
    size_t p = 0;
    for (; columns == ENGINE_LANES && p + 8 <= k; p += 8) {
        turn(rows + p, stride, o + p * width, width);
        turn(rows + 8 * stride + p, stride, o + p * width + 8, width);
    }
    phasor_transpose_f32(rows + p, stride, columns, k - p, width, o + p * width);
}

const phasor_engine phasor_engine_avx2 = {
    .rows = ENGINE_ROWS,
    .step = 1,
    .element = sizeof(float),
    .grouped = true,
    .pack = phasor_pack_f32,
    .transpose = transpose,
    .interleave = phasor_interleave_f32,
    .multiply = multiply,
};
#endif
