#include "int8.h"

#if defined(__x86_64__)
#include "int8_avx.h"

// int8 without VNNI: AVX2 multiplies pairs of 16 bits and adds their products in one instruction, twice the products of one in
// float32, and a second instruction adds them to the sum. The sums are the twin's to the bit, as they are whole numbers.
//
// A row's values are 16 bits wide, so that a pair is broadcast as it is. A panel keeps bytes, which are widened once for six rows:
// for each sixteen columns 128 times two consecutive values of each column.
enum { PAIR = 2, PAIR_BYTES = PAIR * ENGINE_LANES, WIDE_ROW_STEP = INT8_HEAD + INT8_BLOCK * sizeof(int16_t) };

#define PAIRS_INLINE PHASOR_AVX2 PHASOR_INLINE

/// int8_add_apart for this panel.
PAIRS_INLINE void add_apart(const char *row, const char *group, float *c) {
    const int8_head *head = (const int8_head *)row;
    for (size_t a = 0; a < head->count; a++) {
        size_t place = head->places[a];
        __m256i pairs = _mm256_load_si256((const __m256i *)(group + INT8_VALUES + place / PAIR * PAIR_BYTES));
        __m256i bytes = _mm256_srai_epi16(place % PAIR ? pairs : _mm256_slli_epi16(pairs, 8), 8);
        __m256 value = _mm256_set1_ps(head->values[a]);
#pragma unroll
        for (int v = 0; v < 2; v++) {
            __m128i half = v ? _mm256_extracti128_si256(bytes, 1) : _mm256_castsi256_si128(bytes);
            __m256 factor = _mm256_mul_ps(value, _mm256_load_ps((const float *)group + 8 * v));
            __m256 product = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half));
            _mm256_storeu_ps(c + 8 * v, _mm256_fmadd_ps(product, factor, _mm256_loadu_ps(c + 8 * v)));
        }
    }
}

PAIRS_INLINE void strip(const phasor_tile *t, size_t j, const int rows) {
    const size_t step = INT8_BLOCK + INT8_SCALES;
    bool continues = t->accumulate;
    const char *b = (const char *)t->panel + j * step;
    for (size_t s = 0; s < t->segments; s++)
        for (size_t p = 0; p < t->steps; p++, b += t->columns * step, continues = true) {
            const char *a[ENGINE_ROWS];
            __m256i sum[ENGINE_ROWS][2];
#pragma unroll
            for (int i = 0; i < rows; i++) {
                a[i] = t->a[i] + t->offsets[s] + p * WIDE_ROW_STEP;
                sum[i][0] = sum[i][1] = _mm256_setzero_si256();
            }
            const char *values = b + INT8_VALUES;
            const size_t end = INT8_HEAD + int8_values(t, p) * sizeof(int16_t);
#pragma unroll 2
            for (size_t w = INT8_HEAD; w < end; w += 4, values += PAIR_BYTES) {
                __m256i y0 = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)values));
                __m256i y1 = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(values + 16)));
#pragma unroll
                for (int i = 0; i < rows; i++) {
                    __m256i x = _mm256_set1_epi32(*(const int *)(a[i] + w));
                    sum[i][0] = _mm256_add_epi32(sum[i][0], _mm256_madd_epi16(x, y0));
                    sum[i][1] = _mm256_add_epi32(sum[i][1], _mm256_madd_epi16(x, y1));
                }
            }
#pragma unroll
            for (int i = 0; i < rows; i++)
#pragma unroll
                for (int v = 0; v < 2; v++)
                    int8_add_scaled(
                        sum[i][v], a[i], (const float *)b + 8 * v, continues, t->c + i * t->stride + j + 8 * v);
            for (int i = 0; i < rows; i++) add_apart(a[i], b, t->c + i * t->stride + j);
        }
}

PHASOR_STRIPS(PHASOR_AVX2, strip)

PHASOR_AVX2 static void pack(const float *in, size_t count, float scale, void *out) {
    char *o = out;
    for (size_t i = 0; i < count; i += INT8_BLOCK, o += WIDE_ROW_STEP) {
        char bytes[INT8_ROW_STEP];
        int8_pack(in + i, count - i < INT8_BLOCK ? count - i : INT8_BLOCK, scale, bytes);
        memcpy(o, bytes, sizeof(int8_head));
        int16_t *wide = (int16_t *)(o + INT8_HEAD);
        const uint8_t *narrow = (const uint8_t *)bytes + INT8_HEAD;
        for (size_t p = 0; p < INT8_BLOCK; p++) wide[p] = (int16_t)(narrow[p] - 128);
    }
}

PHASOR_AVX2 static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    int8_transpose(rows, stride, columns, k, width, units, factors, PAIR, panel);
}

PHASOR_AVX2 static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    transpose_stored(rows, stride, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

const phasor_engine phasor_engine_int8_avx2 = {INT8_ENGINE(ENGINE_ROWS, WIDE_ROW_STEP)};
#endif
