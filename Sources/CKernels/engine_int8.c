#include "int8.h"

// int8 in plain C: the twin that gives the bits of the fast engine.

static void pack(const float *in, size_t count, float scale, void *out) { int8_pack(in, count, scale, out); }

static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    int8_transpose(rows, stride, columns, k, width, units, factors, 4, panel);
}

static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    transpose_stored(rows, stride, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

/// One step of one row and sixteen columns, of which `count` values are multiplied.
static void add_block(const char *row, const char *group, size_t count, float *c) {
    const uint8_t *a = (const uint8_t *)row + INT8_HEAD;
    const int8_t *b = (const int8_t *)group + INT8_VALUES;
    int32_t sum[ENGINE_LANES];
    memcpy(sum, group + INT8_STARTS, sizeof sum);
    for (size_t p = 0; p < count; p += 4, b += 4 * ENGINE_LANES)
        for (size_t l = 0; l < ENGINE_LANES; l++)
            for (size_t q = 0; q < 4; q++) sum[l] += a[p + q] * b[4 * l + q];
    float scale = *(const float *)row;
    const float *scales = (const float *)group;
    for (size_t l = 0; l < ENGINE_LANES; l++) c[l] = fmaf((float)sum[l], scale * scales[l], c[l]);
    int8_add_apart(row, group, 4, c);
}

static void multiply(const phasor_tile *t) {
    size_t step = INT8_BLOCK + INT8_SCALES;  // of a column
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j += ENGINE_LANES) {
            float *c = t->c + i * t->stride + j;
            if (!t->accumulate) memset(c, 0, ENGINE_LANES * sizeof(float));
            const char *b = (const char *)t->panel + j * step;
            for (size_t s = 0; s < t->segments; s++)
                for (size_t p = 0; p < t->steps; p++, b += t->columns * step)
                    add_block(t->a[i] + t->offsets[s] + p * INT8_ROW_STEP, b, int8_values(t, p), c);
        }
}

const phasor_engine phasor_engine_int8_plain = {INT8_ENGINE(ENGINE_ROWS, INT8_ROW_STEP)};

const phasor_engine *phasor_engine_int8(phasor_isa level) {
#if defined(__x86_64__)
    if (level >= PHASOR_ISA_AMX)
        return phasor_isa_has_tiles() ? &phasor_engine_int8_amx : &phasor_engine_int8_amx_model;
    if (level >= PHASOR_ISA_AVX512 && __builtin_cpu_supports("avx512vnni")) return &phasor_engine_int8_vnni;
    if (level >= PHASOR_ISA_AVX2 && phasor_isa_has_avx_vnni()) return &phasor_engine_int8_avx_vnni;
    if (level == PHASOR_ISA_AVX2) return &phasor_engine_int8_avx2;
#endif
#if defined(__aarch64__)
    if (level >= PHASOR_ISA_NEON && phasor_isa_has_int8(level)) return &phasor_engine_int8_neon;
#endif
    (void)level;
    return &phasor_engine_int8_plain;
}

bool phasor_isa_has_int8_dots(void) {
    phasor_isa level = phasor_isa_level();
#if defined(__x86_64__)
    if (phasor_engine_int8(level) == &phasor_engine_int8_avx2) return false;
#endif
    return phasor_isa_has_int8(level);
}
