#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "levels.h"
#include "transpose512.h"

// float32: 6 rows x 4 vectors of accumulators, the left operand broadcast from memory by the multiplication itself.

PHASOR_AVX512 static inline __attribute__((always_inline)) void block(
    const phasor_tile *t, const int rows, const int vectors) {
    __m512 sum[ENGINE_ROWS][4];
#pragma unroll
    for (int i = 0; i < rows; i++)
#pragma unroll
        for (int j = 0; j < vectors; j++)
            sum[i][j] = t->accumulate ? _mm512_loadu_ps(t->c + i * t->stride + j * 16) : _mm512_setzero_ps();
    const float *b = t->panel;
    for (size_t s = 0; s < t->segments; s++) {
        const float *a[ENGINE_ROWS];
#pragma unroll
        for (int i = 0; i < rows; i++) a[i] = (const float *)(t->a[i] + t->offsets[s]);
        for (size_t p = 0; p < t->steps; p++, b += vectors * 16) {
            __m512 y[4];
#pragma unroll
            for (int j = 0; j < vectors; j++) y[j] = _mm512_load_ps(b + j * 16);
#pragma unroll
            for (int i = 0; i < rows; i++) {
                __m512 x = _mm512_set1_ps(a[i][p]);
#pragma unroll
                for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_fmadd_ps(x, y[j], sum[i][j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < rows; i++)
#pragma unroll
        for (int j = 0; j < vectors; j++) _mm512_storeu_ps(t->c + i * t->stride + j * 16, sum[i][j]);
}

PHASOR_TILE_SIZES(PHASOR_AVX512, block)

PHASOR_AVX512 static void transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    float *o = panel;
    for (size_t p = 0; p < k; p += 16) {
        size_t steps = k - p < 16 ? k - p : 16;
        __mmask16 mask = (__mmask16)((1u << steps) - 1);
        __m512i r[16];
#pragma unroll
        for (size_t c = 0; c < 16; c++)
            r[c] = _mm512_maskz_loadu_epi32(c < columns ? mask : 0, rows + (c < columns ? c : 0) * stride + p);
        transpose_16x16(r);
#pragma unroll
        for (size_t i = 0; i < 16; i++)
            if (i < steps) _mm512_storeu_si512(o + (p + i) * width, r[i]);
    }
}

/// Values go in pairs, as words of 32 bits, and are widened apart after they were turned: half the shuffles, and no
/// detour by float32 rows. With few rows of x this is a fifth of a product's time otherwise.
PHASOR_AVX512 static void transpose_bf16(
    const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
    float *o = panel;
    for (size_t p = 0; p < k; p += 32, o += 32 * width) {
        size_t values = k - p < 32 ? k - p : 32;
        __mmask32 mask = values == 32 ? ~0u : (1u << values) - 1;
        __m512i r[16];
#pragma unroll
        for (size_t c = 0; c < 16; c++)
            r[c] = c < columns ? _mm512_maskz_loadu_epi16(mask, (const char *)rows + c * stride + p * 2)
                               : _mm512_setzero_si512();
        transpose_16x16(r);
#pragma unroll
        for (size_t i = 0; i < 16; i++) {
            if (2 * i < values) _mm512_storeu_si512(o + 2 * i * width, _mm512_slli_epi32(r[i], 16));
            if (2 * i + 1 < values) _mm512_storeu_si512(o + (2 * i + 1) * width, _mm512_and_si512(r[i], high));
        }
    }
}

const phasor_engine phasor_engine_avx512 = {
    .rows = ENGINE_ROWS,
    .step = 1,
    .element = sizeof(float),
    .pack = phasor_pack_f32,
    .transpose = transpose,
    .transpose_bf16 = transpose_bf16,
    .interleave = phasor_interleave_f32,
    .multiply = multiply,
};
#endif
