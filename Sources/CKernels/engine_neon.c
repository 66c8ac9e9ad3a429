#include "engine.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include "levels.h"

// float32 in strips of 16 columns: 6 rows x 4 vectors of accumulators, which every arm64 processor has registers for.

PHASOR_INLINE void strip(const phasor_tile *t, size_t j, const int rows) {
    float32x4_t sum[ENGINE_ROWS][4];
    float *c = t->c + j;
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 4; v++)
            sum[i][v] = t->accumulate ? vld1q_f32(c + i * t->stride + 4 * v) : vdupq_n_f32(0);
    const float *b = (const float *)t->panel + j;
    for (size_t s = 0; s < t->segments; s++) {
        const float *a[ENGINE_ROWS];
        for (int i = 0; i < rows; i++) a[i] = (const float *)(t->a[i] + t->offsets[s]);
        for (size_t p = 0; p < t->steps; p++, b += t->columns) {
            float32x4_t y[4];
            for (int v = 0; v < 4; v++) y[v] = vld1q_f32(b + 4 * v);
            for (int i = 0; i < rows; i++) {
                float32x4_t x = vdupq_n_f32(a[i][p]);
                for (int v = 0; v < 4; v++) sum[i][v] = vfmaq_f32(sum[i][v], x, y[v]);
            }
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 4; v++) vst1q_f32(c + i * t->stride + 4 * v, sum[i][v]);
}

PHASOR_STRIPS(, strip)

const phasor_engine phasor_engine_neon = {
    .rows = ENGINE_ROWS,
    .step = 1,
    .element = sizeof(float),
    .pack = phasor_pack_f32,
    .transpose = phasor_transpose_f32,
    .interleave = phasor_interleave_f32,
    .multiply = multiply,
};
#endif
