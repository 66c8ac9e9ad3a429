#include "int8.h"

#if defined(__x86_64__)
#include "int8_avx.h"

// int8 with AVX-VNNI, which client processors have without AVX-512: strips of 16 columns, 6 rows x 2 vectors of int32
// accumulators.

PHASOR_AVX_VNNI PHASOR_INLINE void strip(const phasor_tile *t, size_t j, const int rows) {
    const size_t step = INT8_BLOCK + INT8_SCALES;
    bool continues = t->accumulate;
    const char *b = (const char *)t->panel + j * step;
    for (size_t s = 0; s < t->segments; s++)
        for (size_t p = 0; p < t->steps; p++, b += t->columns * step, continues = true) {
            const char *a[ENGINE_ROWS];
            __m256i sum[ENGINE_ROWS][2];
#pragma unroll
            for (int i = 0; i < rows; i++) {
                a[i] = t->a[i] + t->offsets[s] + p * INT8_ROW_STEP;
                sum[i][0] = _mm256_load_si256((const __m256i *)(b + INT8_STARTS));
                sum[i][1] = _mm256_load_si256((const __m256i *)(b + INT8_STARTS + 32));
            }
            const char *values = b + INT8_VALUES;
            const size_t end = INT8_HEAD + int8_values(t, p);
            for (size_t w = INT8_HEAD; w < end; w += 4, values += 64) {
                __m256i y0 = _mm256_load_si256((const __m256i *)values);
                __m256i y1 = _mm256_load_si256((const __m256i *)(values + 32));
#pragma unroll
                for (int i = 0; i < rows; i++) {
                    __m256i x = _mm256_set1_epi32(*(const int *)(a[i] + w));
                    sum[i][0] = _mm256_dpbusd_avx_epi32(sum[i][0], x, y0);
                    sum[i][1] = _mm256_dpbusd_avx_epi32(sum[i][1], x, y1);
                }
            }
#pragma unroll
            for (int i = 0; i < rows; i++)
#pragma unroll
                for (int v = 0; v < 2; v++)
                    int8_add_scaled(
                        sum[i][v], a[i], (const float *)b + 8 * v, continues, t->c + i * t->stride + j + 8 * v);
            for (int i = 0; i < rows; i++) int8_add_apart(a[i], b, 4, t->c + i * t->stride + j);
        }
}

PHASOR_STRIPS(PHASOR_AVX_VNNI, strip)

PHASOR_AVX_VNNI static void pack(const float *in, size_t count, float scale, void *out) {
    int8_pack(in, count, scale, out);
}

PHASOR_AVX_VNNI static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    int8_transpose(rows, stride, columns, k, width, units, factors, 4, panel);
}

PHASOR_AVX_VNNI static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    transpose_stored(rows, stride, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

const phasor_engine phasor_engine_int8_avx_vnni = {INT8_ENGINE(ENGINE_ROWS, INT8_ROW_STEP)};
#endif
