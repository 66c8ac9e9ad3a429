#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "levels.h"
#include "transpose512.h"

// Pairs of bf16, summed in float32: each step multiplies two values of K, in 6 rows x 4 vectors of accumulators.

// Bytes to read ahead in each row of weights: sixteen rows at once are more than the processor follows by itself.
enum { PREFETCH = 512 };

#define BF16_INLINE PHASOR_AVX512_BF16 static inline __attribute__((always_inline))

BF16_INLINE void block(const phasor_tile *t, const int rows, const int vectors) {
    __m512 sum[ENGINE_ROWS][4];
#pragma unroll
    for (int i = 0; i < rows; i++)
#pragma unroll
        for (int j = 0; j < vectors; j++)
            sum[i][j] = t->accumulate ? _mm512_loadu_ps(t->c + i * t->stride + j * 16) : _mm512_setzero_ps();
    const char *b = t->panel;
    for (size_t s = 0; s < t->segments; s++) {
        const int *a[ENGINE_ROWS];
#pragma unroll
        for (int i = 0; i < rows; i++) a[i] = (const int *)(t->a[i] + t->offsets[s]);
        for (size_t p = 0; p < t->steps; p++, b += vectors * 64) {
            __m512bh y[4];
#pragma unroll
            for (int j = 0; j < vectors; j++) y[j] = (__m512bh)_mm512_load_si512(b + j * 64);
#pragma unroll
            for (int i = 0; i < rows; i++) {
                __m512bh x = (__m512bh)_mm512_set1_epi32(a[i][p]);
#pragma unroll
                for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], x, y[j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < rows; i++)
#pragma unroll
        for (int j = 0; j < vectors; j++) _mm512_storeu_ps(t->c + i * t->stride + j * 16, sum[i][j]);
}

PHASOR_TILE_SIZES(PHASOR_AVX512_BF16, block)

/// Lanes first..<first + 16 of a row of `count` values, zero beyond it.
BF16_INLINE __m512 lanes(const float *in, size_t first, size_t count) {
    size_t left = count > first ? count - first : 0;
    return _mm512_maskz_loadu_ps(left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1), in + first);
}

PHASOR_AVX512_BF16 static void pack(const float *in, size_t count, float scale, void *out) {
    __m512 factor = _mm512_set1_ps(scale);
    size_t i = 0, padded = (count + 1) & ~(size_t)1;
    for (; i + 32 <= count; i += 32)
        _mm512_storeu_si512(
            (uint16_t *)out + i,
            (__m512i)_mm512_cvtne2ps_pbh(
                _mm512_mul_ps(factor, _mm512_loadu_ps(in + i + 16)), _mm512_mul_ps(factor, _mm512_loadu_ps(in + i))));
    if (i == padded) return;
    __m512bh pairs = _mm512_cvtne2ps_pbh(
        _mm512_mul_ps(factor, lanes(in, i + 16, count)), _mm512_mul_ps(factor, lanes(in, i, count)));
    __mmask32 mask = padded - i >= 32 ? ~0u : (1u << (padded - i)) - 1;
    _mm512_mask_storeu_epi16((uint16_t *)out + i, mask, (__m512i)pairs);
}

BF16_INLINE void store_steps(__m512i *r, size_t values, size_t width, char *out) {
    size_t steps = (values + 1) / 2;
    transpose_16x16(r);
#pragma unroll
    for (size_t i = 0; i < 16; i++)
        if (i < steps) _mm512_storeu_si512(out + i * width * 4, r[i]);
}

PHASOR_AVX512_BF16 static void transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += 32, o += 16 * width * 4) {
        __m512i r[16];
#pragma unroll
        for (size_t c = 0; c < 16; c++) {
            const float *row = rows + c * stride;
            r[c] = c < columns ? (__m512i)_mm512_cvtne2ps_pbh(lanes(row, p + 16, k), lanes(row, p, k))
                               : _mm512_setzero_si512();
        }
        store_steps(r, k - p < 32 ? k - p : 32, width, o);
    }
}

PHASOR_AVX512_BF16 static void transpose_bf16(
    const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += 32, o += 16 * width * 4) {
        size_t values = k - p < 32 ? k - p : 32;
        __mmask32 mask = values == 32 ? ~0u : (1u << values) - 1;
        __m512i r[16];
#pragma unroll
        for (size_t c = 0; c < 16; c++) {
            const char *row = (const char *)rows + c * stride + p * 2;
            _mm_prefetch(row + PREFETCH, _MM_HINT_T0);
            r[c] = c < columns ? _mm512_maskz_loadu_epi16(mask, row) : _mm512_setzero_si512();
        }
        store_steps(r, values, width, o);
    }
}

PHASOR_AVX512_BF16 static void interleave(
    const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel) {
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
        16, 0);
    char *o = panel;
    for (size_t p = 0; p < k; p += 2)
        for (size_t j = 0; j < width; j += 16, o += 64) {
            __m512 even = lanes(rows + p * stride, j, columns);
            __m512 odd = p + 1 < k ? lanes(rows + (p + 1) * stride, j, columns) : _mm512_setzero_ps();
            __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
            _mm512_storeu_si512(o, _mm512_permutexvar_epi16(order, pairs));
        }
}

const phasor_engine phasor_engine_avx512_bf16 = {
    .rows = ENGINE_ROWS,
    .step = 2,
    .element = sizeof(uint16_t),
    .pack = pack,
    .transpose = transpose,
    .transpose_bf16 = transpose_bf16,
    .interleave = interleave,
    .multiply = multiply,
};
#endif
