#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "levels.h"

// float32 in strips of 16 columns: 6 rows x 2 vectors of accumulators leave room for two of the panel and a broadcast.

PHASOR_AVX2 static inline __attribute__((always_inline)) void strip(const phasor_tile *t, size_t j, const int rows) {
    __m256 sum[ENGINE_ROWS][2];
    float *c = t->c + j;
#pragma unroll
    for (int i = 0; i < rows; i++) {
        sum[i][0] = t->accumulate ? _mm256_loadu_ps(c + i * t->stride) : _mm256_setzero_ps();
        sum[i][1] = t->accumulate ? _mm256_loadu_ps(c + i * t->stride + 8) : _mm256_setzero_ps();
    }
    const float *b = (const float *)t->panel + j;
    for (size_t s = 0; s < t->segments; s++) {
        const float *a[ENGINE_ROWS];
#pragma unroll
        for (int i = 0; i < rows; i++) a[i] = (const float *)(t->a[i] + t->offsets[s]);
#pragma unroll 4
        for (size_t p = 0; p < t->steps; p++, b += t->columns) {
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

const phasor_engine phasor_engine_avx2 = {
    .rows = ENGINE_ROWS,
    .step = 1,
    .element = sizeof(float),
    .pack = phasor_pack_f32,
    .transpose = phasor_transpose_f32,
    .interleave = phasor_interleave_f32,
    .multiply = multiply,
};
#endif
