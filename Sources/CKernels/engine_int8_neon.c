#include "int8.h"

#if defined(__aarch64__)
#include <arm_neon.h>

// int8 by USMMLA, which multiplies two rows by two columns, eight values of K at once. A panel is the twin's but for its
// values: 32 times eight consecutive ones of each column.

enum { EIGHT = 8, PAIRS = ENGINE_ROWS / 2, STEP_BYTES = INT8_BLOCK + INT8_SCALES };

PHASOR_NEON_I8MM PHASOR_INLINE void strip(const phasor_tile *t, size_t j, const int rows) {
    const int pairs = (rows + 1) / 2;
    bool continues = t->accumulate;
    const char *b = (const char *)t->panel + j * STEP_BYTES;
    for (size_t s = 0; s < t->segments; s++)
        for (size_t p = 0; p < t->steps; p++, b += t->columns * STEP_BYTES, continues = true) {
            const char *a[ENGINE_ROWS];
            for (int i = 0; i < 2 * pairs; i++) a[i] = t->a[i < rows ? i : i - 1] + t->offsets[s] + p * INT8_ROW_STEP;
            int32x4_t sum[PAIRS][8];
            for (int v = 0; v < 8; v++) {
                int32x2_t start = vld1_s32((const int32_t *)(b + INT8_STARTS) + 2 * v);
                for (int i = 0; i < pairs; i++) sum[i][v] = vcombine_s32(start, start);
            }
            const int8_t *values = (const int8_t *)b + INT8_VALUES;
            const size_t end = INT8_HEAD + int8_values(t, p);
            for (size_t w = INT8_HEAD; w < end; w += EIGHT, values += ENGINE_LANES * EIGHT) {
                uint8x16_t x[PAIRS];
                for (int i = 0; i < pairs; i++)
                    x[i] = vcombine_u8(
                        vld1_u8((const uint8_t *)a[2 * i] + w), vld1_u8((const uint8_t *)a[2 * i + 1] + w));
                for (int v = 0; v < 8; v++) {
                    int8x16_t y = vld1q_s8(values + 16 * v);
                    for (int i = 0; i < pairs; i++) sum[i][v] = vusmmlaq_s32(sum[i][v], x[i], y);
                }
            }
            for (int i = 0; i < rows; i++)
                for (int v = 0; v < 8; v++) {
                    float *c = t->c + i * t->stride + j + 2 * v;
                    int32x2_t whole = i & 1 ? vget_high_s32(sum[i / 2][v]) : vget_low_s32(sum[i / 2][v]);
                    float32x2_t both = vmul_n_f32(vld1_f32((const float *)b + 2 * v), *(const float *)a[i]);
                    float32x2_t before = continues ? vld1_f32(c) : vdup_n_f32(0);
                    vst1_f32(c, vfma_f32(before, vcvt_f32_s32(whole), both));
                }
            for (int i = 0; i < rows; i++) int8_add_apart(a[i], b, EIGHT, t->c + i * t->stride + j);
        }
}

PHASOR_STRIPS(PHASOR_NEON_I8MM, strip)

static void pack(const float *in, size_t count, float scale, void *out) { int8_pack(in, count, scale, out); }

static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    int8_transpose(rows, stride, columns, k, width, units, factors, EIGHT, panel);
}

static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    transpose_stored(rows, stride, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

const phasor_engine phasor_engine_int8_neon = {INT8_ENGINE(ENGINE_ROWS, INT8_ROW_STEP)};
#endif
