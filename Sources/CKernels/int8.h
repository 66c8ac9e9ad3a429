#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine.h"
#include "levels.h"

// Products of int8 values: what the fast engines and their plain twin share.
//
// A step is a block of 256 values along K with one float32 scale, so that the sum of a block stays an exact int32 - and
// small enough to be an exact float32 as well - and is scaled once. Both operands are symmetric: value = scale * q with
// q in -127...127. The instruction multiplies unsigned by signed bytes, so the left operand holds q + 128, and sums start
// at -128 times the sum of the right one's column.
//
// Trained transformers have channels whose values are many times those of the others. Up to eight values of a row's block
// stand apart for that: their q is 0, and they are multiplied in float32, one after the other, once the block's sum was
// added. Which ones do is a matter of the row alone, so that it does not depend on its batch.
//
// A row's step is a head and 256 bytes. A panel's step is, for each sixteen columns, their scales, their starting sums, and 64
// times four consecutive values of each column.
enum {
    INT8_BLOCK = 256,
    INT8_PART = 64,  // of a block, that is multiplied or left out as a whole
    INT8_APART = 8,
    INT8_HEAD = 64,  // of a row's step: int8_head, filled up to a cache line
    INT8_ROW_STEP = INT8_HEAD + INT8_BLOCK,
    INT8_SCALES = 8,  // bytes of a column's step beside its values
    INT8_STARTS = ENGINE_LANES * 4,  // where the parts of a panel's sixteen columns begin
    INT8_VALUES = 2 * INT8_STARTS,
    INT8_GROUP = ENGINE_LANES * (INT8_BLOCK + INT8_SCALES)  // bytes of a step of sixteen columns
};

typedef struct {
    float scale;
    uint32_t count;  // of values that stand apart
    uint8_t places[INT8_APART];
    float values[INT8_APART];
} int8_head;

/// As an integer: ordered like the values, with infinity and NaN above all.
PHASOR_INLINE uint32_t int8_magnitude(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits & 0x7fffffff;
}

PHASOR_INLINE uint32_t int8_top(const float *in, size_t count) {
    uint32_t top = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = int8_magnitude(in[i]);
        top = magnitude > top ? magnitude : top;
    }
    return top;
}

/// Magnitude of half of the value whose magnitude is `top`.
PHASOR_INLINE uint32_t int8_half(uint32_t top) {
    float largest;
    memcpy(&largest, &top, 4);
    return int8_magnitude(largest * 0.5f);
}

/// How many values are larger than half of the largest, whose magnitude is `top`.
PHASOR_INLINE uint32_t int8_large(const float *in, size_t count, uint32_t top) {
    uint32_t half = int8_half(top), large = 0;
    for (size_t i = 0; i < count; i++) large += int8_magnitude(in[i]) > half;
    return large;
}

/// What turns values into int8: their unit, and its inverse.
typedef struct {
    float scale, inverse;
} int8_unit;

/// `top`: magnitude of the largest value.
///
/// The scale of values that are not all finite is not finite either, and with it the sum. Those so small that the
/// scale's inverse overflows are as good as zero.
PHASOR_INLINE int8_unit int8_unit_of(uint32_t top, engine_units units) {
    float largest;
    memcpy(&largest, &top, 4);
    float inverse = 127.0f / largest, scale = largest / 127.0f;
    if (units == ENGINE_UNITS_OF_TWO && top < 0x7f000000) {
        uint32_t power;
        memcpy(&power, &scale, 4);
        power = (power + 0x7fffff) & 0x7f800000;
        memcpy(&scale, &power, 4);
        inverse = 1.0f / scale;
    } else if (units == ENGINE_UNITS_WHOLE) {
        scale = inverse = 1.0f;
    }
    return (int8_unit){scale, inverse <= 3.4e38f ? inverse : 0};
}

/// out[0..<count] = in[0..<count] as int8 plus `offset`, to nearest, then zeros.
PHASOR_INLINE void int8_quantize(const float *in, size_t count, int8_unit unit, uint8_t offset, uint8_t *out) {
#pragma STDC FP_CONTRACT OFF  // a product and a sum stay two roundings at every level
    for (size_t i = 0; i < count; i++) {
        // Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits.
        float shifted = in[i] * unit.inverse + 12582912.0f;
        uint32_t bits;
        memcpy(&bits, &shifted, 4);
        out[i] = (uint8_t)(bits + offset);
    }
    memset(out + count, offset, INT8_BLOCK - count);
}

/// Sets those values of a block apart that are larger than half of the largest, of magnitude `top`.
PHASOR_INLINE void int8_set_apart(float *block, size_t count, uint32_t top, int8_head *head) {
    uint32_t half = int8_half(top);
    for (size_t i = 0; i < count; i++) {
        if (int8_magnitude(block[i]) <= half) continue;
        head->places[head->count] = (uint8_t)i;
        head->values[head->count++] = block[i];
        block[i] = 0;
    }
}

/// The `pack` of an engine.
PHASOR_INLINE void int8_pack(const float *in, size_t count, float scale, char *out) {
#pragma STDC FP_CONTRACT OFF
    for (size_t i = 0; i < count; i += INT8_BLOCK, out += INT8_ROW_STEP) {
        size_t values = count - i < INT8_BLOCK ? count - i : INT8_BLOCK;
        const float *rest = in + i;
        float block[INT8_BLOCK];
        int8_head head = {.count = 0};
        uint32_t top = int8_top(rest, values);
        // As long as no more than eight are that large: without them the others' unit is half as large, or smaller still.
        while (top != 0 && top < 0x7f800000 && int8_large(rest, values, top) <= INT8_APART - head.count) {
            if (rest != block) memcpy(block, rest, values * sizeof(float));
            rest = block;
            int8_set_apart(block, values, top, &head);
            top = int8_top(block, values);
        }
        int8_unit unit = int8_unit_of(top, ENGINE_UNITS_FITTED);
        int8_quantize(rest, values, unit, 128, (uint8_t *)out + INT8_HEAD);
        head.scale = scale * unit.scale;
        for (size_t a = 0; a < head.count; a++) head.values[a] *= scale;
        memcpy(out, &head, sizeof head);
    }
}

/// Values of a step that are multiplied: all, or of a segment's last step as many 64s as it has values of. The sums are whole
/// numbers, which the zeros behind them would not change.
PHASOR_INLINE size_t int8_values(const phasor_tile *t, size_t step) {
    return step + 1 < t->steps ? (size_t)INT8_BLOCK : (t->last + INT8_PART - 1) / INT8_PART * INT8_PART;
}

/// Adds the values of a row's step that stand apart to its sums c of sixteen columns. `group`: the columns' step, whose
/// instruction takes `run` consecutive values of a column.
PHASOR_INLINE void int8_add_apart(const char *row, const char *group, size_t run, float *c) {
#pragma STDC FP_CONTRACT OFF
    const int8_head *head = (const int8_head *)row;
    const float *scales = (const float *)group;
    for (size_t a = 0; a < head->count; a++) {
        size_t place = head->places[a], shift = 24 - place % 4 * 8;
        const char *values = group + INT8_VALUES + place / run * ENGINE_LANES * run + place % run / 4 * 4;
        for (size_t l = 0; l < ENGINE_LANES; l++) {
            uint32_t word;
            memcpy(&word, values + l * run, 4);
            c[l] = fmaf((float)((int32_t)(word << shift) >> 24), head->values[a] * scales[l], c[l]);
        }
    }
}

/// The `transpose_stored` of an engine whose instruction takes `run` consecutive values of a column.
PHASOR_INLINE void int8_transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units,
    const float *factors, size_t run, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += INT8_BLOCK, o += width * (INT8_BLOCK + INT8_SCALES)) {
        memset(o, 0, INT8_GROUP);
        float *scales = (float *)o;
        int32_t *starts = (int32_t *)(o + INT8_STARTS);
        for (size_t c = 0; c < columns; c++) {
            int8_t values[INT8_BLOCK];
            size_t count = k - p < INT8_BLOCK ? k - p : INT8_BLOCK;
            const float *row = rows + c * stride + p;
            int8_unit unit = int8_unit_of(int8_top(row, count), units);
            int8_quantize(row, count, unit, 0, (uint8_t *)values);
            scales[c] = factors ? unit.scale * factors[c] : unit.scale;
            for (size_t i = 0; i < INT8_BLOCK; i++) starts[c] -= 128 * values[i];
            for (size_t i = 0; i < INT8_BLOCK; i += run)
                memcpy(o + INT8_VALUES + (i / run * ENGINE_LANES + c) * run, values + i, run);
        }
    }
}

/// What all int8 engines of one kind have in common; each has a `pack`, a `transpose_stored` and a `multiply`. `row_step`: bytes of a
/// row's step.
#define INT8_ENGINE(tile_rows, row_step)                                                         \
    .rows = tile_rows, .step = INT8_BLOCK, .element = sizeof(int8_t), .scales = INT8_SCALES,      \
    .head = (row_step) - INT8_BLOCK, .pack = pack, .transpose = transpose,                        \
    .transpose_stored = transpose_stored, .multiply = multiply

extern const phasor_engine phasor_engine_int8_plain;
extern const phasor_engine phasor_engine_int8_amx_model;
#if defined(__aarch64__)
extern const phasor_engine phasor_engine_int8_neon;
#elif defined(__x86_64__)
extern const phasor_engine phasor_engine_int8_vnni;
extern const phasor_engine phasor_engine_int8_avx_vnni;
extern const phasor_engine phasor_engine_int8_avx2;
extern const phasor_engine phasor_engine_int8_amx;
#endif
