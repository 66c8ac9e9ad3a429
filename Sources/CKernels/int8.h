#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine.h"
#include "levels.h"

// Products of int8 values: what the fast engine and its plain twin share.
//
// A step is a block of 256 values along K with one float32 scale, so that the sum of a block stays an exact int32 - and
// small enough to be an exact float32 as well - and is scaled once. Both operands are symmetric: value = scale * q with
// q in -127...127. The instruction multiplies unsigned by signed bytes, so the left operand holds q + 128, and sums start
// at -128 times the sum of the right one's column.
//
// A row's step is its scale, four unused bytes, and 256 bytes. A panel's step is, for each sixteen columns, their scales,
// their starting sums, and 64 times four consecutive values of each column.
enum {
    INT8_BLOCK = 256,
    INT8_SCALES = 8,  // bytes of a step beside its values
    INT8_STARTS = ENGINE_LANES * 4,  // where the parts of a panel's sixteen columns begin
    INT8_VALUES = 2 * INT8_STARTS,
    INT8_GROUP = ENGINE_LANES * (INT8_BLOCK + INT8_SCALES)  // bytes of a step of sixteen columns
};

/// out[0..<256] = in[0..<count] as int8 plus `offset`, to nearest, then zeros; returns the scale.
///
/// The scale of values that are not all finite is not finite either, and with it the sum. Those so small that the
/// scale's inverse overflows are as good as zero.
PHASOR_INLINE float int8_quantize(const float *in, size_t count, uint8_t offset, uint8_t *out) {
#pragma STDC FP_CONTRACT OFF  // a product and a sum stay two roundings at every level
    uint32_t top = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude;  // as an integer: ordered like the values, with infinity and NaN above all
        memcpy(&magnitude, in + i, 4);
        magnitude &= 0x7fffffff;
        top = magnitude > top ? magnitude : top;
    }
    float largest;
    memcpy(&largest, &top, 4);
    float inverse = 127.0f / largest;
    inverse = inverse <= 3.4e38f ? inverse : 0;
    for (size_t i = 0; i < count; i++) {
        // Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits.
        float shifted = in[i] * inverse + 12582912.0f;
        uint32_t bits;
        memcpy(&bits, &shifted, 4);
        out[i] = (uint8_t)(bits + offset);
    }
    memset(out + count, offset, INT8_BLOCK - count);
    return largest / 127.0f;
}

/// The `pack` of an engine.
PHASOR_INLINE void int8_pack(const float *in, size_t count, float scale, char *out) {
    for (size_t i = 0; i < count; i += INT8_BLOCK, out += INT8_BLOCK + INT8_SCALES) {
        size_t values = count - i < INT8_BLOCK ? count - i : INT8_BLOCK;
        float unit = scale * int8_quantize(in + i, values, 128, (uint8_t *)out + INT8_SCALES);
        memcpy(out, &unit, 4);
    }
}

/// The `transpose` of an engine whose instruction takes `run` consecutive values of a column.
PHASOR_INLINE void int8_transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, size_t run, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += INT8_BLOCK, o += width * (INT8_BLOCK + INT8_SCALES)) {
        memset(o, 0, INT8_GROUP);
        float *scales = (float *)o;
        int32_t *starts = (int32_t *)(o + INT8_STARTS);
        for (size_t c = 0; c < columns; c++) {
            int8_t values[INT8_BLOCK];
            size_t count = k - p < INT8_BLOCK ? k - p : INT8_BLOCK;
            scales[c] = int8_quantize(rows + c * stride + p, count, 0, (uint8_t *)values);
            for (size_t i = 0; i < INT8_BLOCK; i++) starts[c] -= 128 * values[i];
            for (size_t i = 0; i < INT8_BLOCK; i += run)
                memcpy(o + INT8_VALUES + (i / run * ENGINE_LANES + c) * run, values + i, run);
        }
    }
}

extern const phasor_engine phasor_engine_int8_plain;
extern const phasor_engine phasor_engine_int8_amx_model;
#if defined(__aarch64__)
extern const phasor_engine phasor_engine_int8_neon;
#elif defined(__x86_64__)
extern const phasor_engine phasor_engine_int8_vnni;
extern const phasor_engine phasor_engine_int8_avx2;
extern const phasor_engine phasor_engine_int8_amx;
#endif
