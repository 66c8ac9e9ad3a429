#include "int8.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "transpose512.h"

// int8 with AVX-512 VNNI: an instruction multiplies four values of K, in 6 rows x 4 vectors of int32 accumulators. The
// float32 sums, for which no registers are left, stay in the first-level cache and are touched once in a block.

#define VNNI_INLINE PHASOR_AVX512_VNNI static inline __attribute__((always_inline))

/// int8_add_apart for all columns.
VNNI_INLINE void add_apart(const char *row, const char *b, const int vectors, float *c) {
    const int8_head *head = (const int8_head *)row;
    for (size_t a = 0; a < head->count; a++) {
        __m512 value = _mm512_set1_ps(head->values[a]);
        __m128i shift = _mm_cvtsi32_si128(24 - head->places[a] % 4 * 8);
        const char *words = b + INT8_VALUES + head->places[a] / 4 * 64;
#pragma unroll
        for (int j = 0; j < vectors; j++) {
            __m512i byte = _mm512_srai_epi32(_mm512_sll_epi32(_mm512_load_si512(words + j * INT8_GROUP), shift), 24);
            __m512 factor = _mm512_mul_ps(value, _mm512_load_ps(b + j * INT8_GROUP));
            _mm512_storeu_ps(
                c + j * 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(byte), factor, _mm512_loadu_ps(c + j * 16)));
        }
    }
}

VNNI_INLINE void block(const phasor_tile *t, const int rows, const int vectors) {
    bool continues = t->accumulate;
    const char *b = t->panel;
    for (size_t s = 0; s < t->segments; s++) {
        const char *a[ENGINE_ROWS];
#pragma unroll
        for (int i = 0; i < rows; i++) a[i] = t->a[i] + t->offsets[s];
        for (size_t p = 0; p < t->steps; p++, b += vectors * INT8_GROUP) {
            __m512i sum[ENGINE_ROWS][4];
#pragma unroll
            for (int j = 0; j < vectors; j++) {
                __m512i start = _mm512_load_si512(b + j * INT8_GROUP + INT8_STARTS);
#pragma unroll
                for (int i = 0; i < rows; i++) sum[i][j] = start;
            }
            const char *values = b + INT8_VALUES;
            const size_t count = int8_values(t, p);
            for (size_t w = 0; w < count; w += 4, values += 64) {
                __m512i y[4];
#pragma unroll
                for (int j = 0; j < vectors; j++) y[j] = _mm512_load_si512(values + j * INT8_GROUP);
#pragma unroll
                for (int i = 0; i < rows; i++) {
                    __m512i x = _mm512_set1_epi32(*(const int *)(a[i] + INT8_HEAD + w));
#pragma unroll
                    for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], x, y[j]);
                }
            }
#pragma unroll
            for (int i = 0; i < rows; i++) {
                __m512 scale = _mm512_set1_ps(*(const float *)a[i]);
#pragma unroll
                for (int j = 0; j < vectors; j++) {
                    float *c = t->c + i * t->stride + j * 16;
                    __m512 both = _mm512_mul_ps(scale, _mm512_load_ps(b + j * INT8_GROUP));
                    __m512 before = continues ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
                    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), both, before));
                }
                add_apart(a[i], b, vectors, t->c + i * t->stride);
                a[i] += INT8_ROW_STEP;
            }
            continues = true;
        }
    }
}

PHASOR_TILE_SIZES(PHASOR_AVX512_VNNI, block)

PHASOR_AVX512_VNNI static void pack(const float *in, size_t count, float scale, void *out) {
    int8_pack(in, count, scale, out);
}

/// A block's bytes of sixteen columns, and their starting sums, where a panel has them.
VNNI_INLINE void store_columns(uint8_t values[16][INT8_BLOCK], char *group) {
    __m512i total = _mm512_setzero_si512();
    for (size_t part = 0; part < INT8_BLOCK; part += 64) {
        __m512i r[16];
#pragma unroll
        for (int c = 0; c < 16; c++) r[c] = _mm512_load_si512(values[c] + part);
        transpose_16x16(r);
#pragma unroll
        for (int i = 0; i < 16; i++) {
            total = _mm512_dpbusd_epi32(total, _mm512_set1_epi8(1), r[i]);
            _mm512_store_si512(group + INT8_VALUES + (part + i * 4) * 16, r[i]);
        }
    }
    _mm512_store_si512(group + INT8_STARTS, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(total, 7)));
}

/// Up to 256 values of a row as int8; returns their unit's scale.
typedef float quantize(const char *row, size_t count, engine_units units, uint8_t *out);

VNNI_INLINE float quantize_f32(const char *row, size_t count, engine_units units, uint8_t *out) {
    const float *values = (const float *)row;
    int8_unit unit = int8_unit_of(int8_top(values, count), units);
    int8_quantize(values, count, unit, 0, out);
    return unit.scale;
}

/// The same of bf16, in registers, as int8_quantize rounds them.
VNNI_INLINE float quantize_bf16(const char *row, size_t count, engine_units units, uint8_t *out) {
    __m512i pairs[INT8_BLOCK / 32], top = _mm512_setzero_si512();
#pragma unroll
    for (size_t i = 0; i < INT8_BLOCK / 32; i++) {
        size_t left = count > i * 32 ? count - i * 32 : 0;
        _mm_prefetch(row + i * 64 + INT8_BLOCK * 2, _MM_HINT_T0);  // of the next block: no processor follows sixteen rows by itself
        pairs[i] = _mm512_maskz_loadu_epi16(left >= 32 ? ~0u : (1u << left) - 1, row + i * 64);
        top = _mm512_max_epu16(top, _mm512_and_si512(pairs[i], _mm512_set1_epi16(0x7fff)));
    }
    __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(top), _mm512_extracti64x4_epi64(top, 1));
    __m128i eighth = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    uint32_t largest = 0xffff - (uint32_t)_mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(eighth, _mm_set1_epi16(-1))), 0);
    int8_unit unit = int8_unit_of(largest << 16, units);
    const __m512 inverse = _mm512_set1_ps(unit.inverse), rounding = _mm512_set1_ps(12582912.0f);
#pragma unroll
    for (size_t i = 0; i < INT8_BLOCK / 32; i++) {
        __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs[i], 16));
        __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(pairs[i], _mm512_set1_epi32((int)0xffff0000)));
        __m512i first = _mm512_castps_si512(_mm512_add_ps(_mm512_mul_ps(even, inverse), rounding));
        __m512i second = _mm512_castps_si512(_mm512_add_ps(_mm512_mul_ps(odd, inverse), rounding));
        // The low 16 bits of each pair: the second's byte above the first's.
        __m512i both = _mm512_mask_blend_epi8(0x5555555555555555, _mm512_slli_epi32(second, 8), first);
        _mm256_store_si256((__m256i *)(out + i * 32), _mm512_cvtepi32_epi16(both));
    }
    return unit.scale;
}

/// Rows of values of `element` bytes, `stride` bytes apart, as sixteen columns of a panel.
VNNI_INLINE void columns_of(
    const char *rows, size_t stride, size_t element, quantize *rounded, size_t columns, size_t k, size_t width,
    engine_units units, const float *factors, char *panel) {
    for (size_t p = 0; p < k; p += INT8_BLOCK, panel += width * (INT8_BLOCK + INT8_SCALES)) {
        uint8_t values[16][INT8_BLOCK] __attribute__((aligned(64)));
        float *scales = (float *)panel;
        for (size_t c = 0; c < 16; c++) {
            size_t count = c >= columns ? 0 : k - p < INT8_BLOCK ? k - p : INT8_BLOCK;
            scales[c] = rounded(rows + (count ? c * stride + p * element : 0), count, units, values[c]);
            if (factors && count) scales[c] *= factors[c];
        }
        store_columns(values, panel);
    }
}

PHASOR_AVX512_VNNI static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    columns_of(
        (const char *)rows, stride * sizeof(float), sizeof(float), quantize_f32, columns, k, width, units, factors, panel);
}

PHASOR_AVX512_VNNI static void transpose_bf16(
    const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    columns_of(rows, stride, sizeof(uint16_t), quantize_bf16, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

PHASOR_AVX512_VNNI static void transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    transpose_stored(rows, stride, columns, k, width, ENGINE_UNITS_FITTED, NULL, panel);
}

const phasor_engine phasor_engine_int8_vnni = {INT8_ENGINE(ENGINE_ROWS, INT8_ROW_STEP), .transpose_bf16 = transpose_bf16};
#endif
