#include "engine.h"

#include <string.h>

// float32 in plain C: the twin that the other engines are compared with, and what runs where they cannot.

void phasor_pack_f32(const float *in, size_t count, float scale, void *out) {
    float *o = out;
    for (size_t i = 0; i < count; i++) o[i] = in[i] * scale;
}

void phasor_transpose_f32(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    float *o = panel;
    for (size_t p = 0; p < k; p++, o += width) {
        for (size_t c = 0; c < columns; c++) o[c] = rows[c * stride + p];
        for (size_t c = columns; c < ENGINE_LANES; c++) o[c] = 0;
    }
}

void phasor_interleave_f32(const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel) {
    float *o = panel;
    for (size_t p = 0; p < k; p++, o += width) {
        memcpy(o, rows + p * stride, columns * sizeof(float));
        memset(o + columns, 0, (width - columns) * sizeof(float));
    }
}

static void multiply(const phasor_tile *t) {
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j += ENGINE_LANES) {
            float sum[ENGINE_LANES] = {0};
            float *c = t->c + i * t->stride + j;
            if (t->accumulate) memcpy(sum, c, sizeof sum);
            const float *b = (const float *)t->panel + j;
            for (size_t s = 0; s < t->segments; s++) {
                const float *a = (const float *)(t->a[i] + t->offsets[s]);
                for (size_t p = 0; p < t->steps; p++, b += t->columns)
                    for (int l = 0; l < ENGINE_LANES; l++) sum[l] += a[p] * b[l];
            }
            memcpy(c, sum, sizeof sum);
        }
}

const phasor_engine phasor_engine_plain = {
    .rows = ENGINE_ROWS,
    .step = 1,
    .element = sizeof(float),
    .pack = phasor_pack_f32,
    .transpose = phasor_transpose_f32,
    .interleave = phasor_interleave_f32,
    .multiply = multiply,
};

const phasor_engine *phasor_engine_for(phasor_isa level, bool bf16) {
#if defined(__x86_64__)
    if (level >= PHASOR_ISA_AMX && bf16)
        return phasor_isa_has_tiles() ? &phasor_engine_amx_bf16 : &phasor_engine_amx_bf16_model;
    if (level >= PHASOR_ISA_AVX512_BF16 && bf16) return &phasor_engine_avx512_bf16;
    if (level >= PHASOR_ISA_AVX512) return &phasor_engine_avx512;
    if (level >= PHASOR_ISA_AVX2) return &phasor_engine_avx2;
#endif
#if defined(__aarch64__)
    if (level >= PHASOR_ISA_NEON_BF16 && bf16) return &phasor_engine_neon_bf16;
    if (level >= PHASOR_ISA_NEON) return &phasor_engine_neon;
#endif
    (void)level, (void)bf16;
    return &phasor_engine_plain;
}
