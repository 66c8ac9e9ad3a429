#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "int8.h"
#include "levels.h"

// The engines for Intel's tile instructions (AMX). The file that includes this says what the instructions are, those of the
// processor or the model of them in plain C, as macros whose tiles are numbers:
//     TILE_SHAPES(shapes)         ldtilecfg
//     TILE_ZERO(tile)             tilezero
//     TILE_LOAD(tile, at, apart)  tileloadd, rows `apart` bytes apart
//     TILE_STORE(tile, at, apart) tilestored
//     TILE_BF16(c, a, b)          tdpbf16ps
//     TILE_INT8(c, a, b)          tdpbusd
//     TILE_TARGET                 attributes of functions that use them
//     PAIRS, BYTES                engines of bf16 in steps of 2 and of int8 whose packing is used
//
// A tile has 16 rows of 64 bytes. Sums are 2 x 2 tiles, of 32 rows and 32 columns, so that each tile that is loaded serves two
// products. Where a tile of the engine has fewer rows, the last sixteen of them are fewer, and tiles 2, 3 and 5, which hold
// them, have a shape of their own:
//
//            6      7     the panel's columns
//      4     0      1     rows 0..<16, or none
//      5     2      3     the last rows
enum {
    AMX_SIDE = 16,          // rows of a tile, and its columns of 32 bits
    AMX_ROW = 64,           // bytes of a row
    AMX_TILE = AMX_SIDE * AMX_ROW,
    AMX_STEP = 32           // bf16 values in a row
};

/// The operand of ldtilecfg.
typedef struct {
    uint8_t palette, first_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} amx_shapes;

/// Gives the tiles their shapes, where the thread's last ones were others: that takes as long as ten products. Nothing else
/// in the process uses tiles.
TILE_TARGET static void take_shapes(size_t last_rows) {
    static _Thread_local size_t taken;
    if (taken == last_rows) return;
    amx_shapes shapes = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shapes.row_bytes[i] = AMX_ROW;
        shapes.rows[i] = AMX_SIDE;
    }
    shapes.rows[2] = shapes.rows[3] = shapes.rows[5] = (uint8_t)last_rows;
    TILE_SHAPES(&shapes);
    taken = last_rows;
}

/// Rows of the left operand. An instruction loads those that lie at one distance; the others are copied together first.
typedef struct {
    const char *const *rows;
    size_t count;
    ptrdiff_t apart;  // 0: at no one distance
    char *copy;
} amx_rows;

TILE_TARGET PHASOR_INLINE amx_rows take_rows(const char *const *rows, size_t count, char *copy) {
    amx_rows r = {rows, count, count > 1 ? rows[1] - rows[0] : AMX_ROW, copy};
    for (size_t i = 2; i < count; i++)
        if (rows[i] - rows[i - 1] != r.apart) r.apart = 0;
    return r;
}

#define AMX_LOAD_ROWS(tile, r, offset)                                                                 \
    do {                                                                                               \
        if ((r).apart) {                                                                               \
            TILE_LOAD(tile, (r).rows[0] + (offset), (r).apart);                                        \
        } else {                                                                                       \
            for (size_t i = 0; i < (r).count; i++)                                                     \
                memcpy((r).copy + i * AMX_ROW, (r).rows[i] + (offset), AMX_ROW);                       \
            TILE_LOAD(tile, (r).copy, AMX_ROW);                                                        \
        }                                                                                              \
    } while (0)

#define AMX_ZERO_SUMS() \
    do {                \
        TILE_ZERO(0);   \
        TILE_ZERO(1);   \
        TILE_ZERO(2);   \
        TILE_ZERO(3);   \
    } while (0)

/// Defines `name` from `block(tile, first column, upper, second)`: with rows above the last sixteen or without, of two tiles of
/// columns or one.
#define AMX_MULTIPLY(name, block)                                                    \
    TILE_TARGET static void name(const phasor_tile *t) {                             \
        take_shapes((t->rows - 1) % AMX_SIDE + 1);                                   \
        bool upper = t->rows > AMX_SIDE;                                             \
        for (size_t j = 0; j < t->columns; j += 2 * AMX_SIDE) {                      \
            bool second = j + AMX_SIDE < t->columns;                                 \
            if (upper && second) block(t, j, true, true);                            \
            else if (upper) block(t, j, true, false);                                \
            else if (second) block(t, j, false, true);                               \
            else block(t, j, false, false);                                          \
        }                                                                            \
    }

// MARK: bf16
//
// A step is 32 values of K: for each sixteen columns one tile, whose rows are pairs of values of all the columns.

TILE_TARGET PHASOR_INLINE void bf16_block(const phasor_tile *t, size_t j, const bool upper, const bool second) {
    char copy[2][AMX_TILE] __attribute__((aligned(64)));
    size_t above = upper ? AMX_SIDE : 0, below = t->rows - above, apart = t->stride * sizeof(float);
    float *c0 = t->c + j, *c1 = c0 + above * t->stride;
    AMX_ZERO_SUMS();
    if (t->accumulate) {
        if (upper) TILE_LOAD(0, c0, apart);
        if (upper && second) TILE_LOAD(1, c0 + AMX_SIDE, apart);
        TILE_LOAD(2, c1, apart);
        if (second) TILE_LOAD(3, c1 + AMX_SIDE, apart);
    }
    const char *b = (const char *)t->panel + j * AMX_ROW;
    amx_rows first = take_rows(t->a, above, copy[0]), last = take_rows(t->a + above, below, copy[1]);
    for (size_t s = 0; s < t->segments; s++)
        for (size_t p = 0, at = t->offsets[s]; p < t->steps; p++, at += AMX_ROW, b += t->columns * AMX_ROW) {
            TILE_LOAD(6, b, AMX_ROW);
            if (second) TILE_LOAD(7, b + AMX_TILE, AMX_ROW);
            if (upper) AMX_LOAD_ROWS(4, first, at);
            AMX_LOAD_ROWS(5, last, at);
            if (upper) TILE_BF16(0, 4, 6);
            TILE_BF16(2, 5, 6);
            if (upper && second) TILE_BF16(1, 4, 7);
            if (second) TILE_BF16(3, 5, 7);
        }
    if (upper) TILE_STORE(0, c0, apart);
    if (upper && second) TILE_STORE(1, c0 + AMX_SIDE, apart);
    TILE_STORE(2, c1, apart);
    if (second) TILE_STORE(3, c1 + AMX_SIDE, apart);
}

AMX_MULTIPLY(multiply_bf16, bf16_block)

static void pack_bf16(const float *in, size_t count, float scale, void *out) {
    PAIRS->pack(in, count, scale, out);
    size_t written = (count + 1) / 2 * 2, whole = (count + AMX_STEP - 1) / AMX_STEP * AMX_STEP;
    memset((uint16_t *)out + written, 0, (whole - written) * sizeof(uint16_t));
}

/// Zeroes what `count` < 32 values leave of a tile.
static void end_tile(size_t count, char *tile) {
    size_t pairs = (count + 1) / 2;
    memset(tile + pairs * AMX_ROW, 0, (AMX_SIDE - pairs) * AMX_ROW);
}

static void transpose_tiles(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += AMX_STEP, o += width * AMX_ROW) {
        size_t count = k - p < AMX_STEP ? k - p : AMX_STEP;
        PAIRS->transpose(rows + p, stride, columns, count, AMX_SIDE, o);
        end_tile(count, o);
    }
}

static void transpose_tiles_bf16(
    const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += AMX_STEP, o += width * AMX_ROW) {
        size_t count = k - p < AMX_STEP ? k - p : AMX_STEP;
        PAIRS->transpose_bf16((const char *)rows + p * sizeof(uint16_t), stride, columns, count, AMX_SIDE, o);
        end_tile(count, o);
    }
}

static void interleave_tiles(
    const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel) {
    char *o = panel;
    for (size_t p = 0; p < k; p += AMX_STEP)
        for (size_t j = 0; j < width; j += AMX_SIDE, o += AMX_TILE) {
            size_t count = k - p < AMX_STEP ? k - p : AMX_STEP;
            size_t left = columns > j ? columns - j : 0, lanes = left < AMX_SIDE ? left : AMX_SIDE;
            PAIRS->interleave(rows + p * stride + (lanes ? j : 0), stride, count, lanes, AMX_SIDE, o);
            end_tile(count, o);
        }
}

// MARK: int8
//
// Rows and panels are those of all int8 engines: sixteen columns of a panel's step are four tiles behind their scales and
// starting sums. A block's sums are exact, so the starting ones may as well come last.

TILE_TARGET PHASOR_INLINE void add_sums(
    const phasor_tile *t, const int32_t *sums, const char *group, size_t p, size_t s, size_t j, bool continues) {
#pragma STDC FP_CONTRACT OFF
    const float *scales = (const float *)group;
    const int32_t *starts = (const int32_t *)(group + INT8_STARTS);
    for (size_t i = 0; i < t->rows; i++, sums += 2 * AMX_SIDE) {
        float *c = t->c + i * t->stride + j, scale;
        const char *row = t->a[i] + t->offsets[s] + p * INT8_ROW_STEP;
        memcpy(&scale, row, sizeof scale);
        for (size_t l = 0; l < AMX_SIDE; l++)
            c[l] = fmaf((float)(sums[l] + starts[l]), scale * scales[l], continues ? c[l] : 0.0f);
        int8_add_apart(row, group, 4, c);
    }
}

TILE_TARGET PHASOR_INLINE void int8_block(const phasor_tile *t, size_t j, const bool upper, const bool second) {
    char copy[2][AMX_TILE] __attribute__((aligned(64)));
    int32_t sums[ENGINE_MOST_ROWS * 2 * AMX_SIDE] __attribute__((aligned(64)));
    const size_t step = INT8_BLOCK + INT8_SCALES, apart = 2 * AMX_ROW;
    size_t above = upper ? AMX_SIDE : 0, below = t->rows - above;
    int32_t *last_sums = sums + above * 2 * AMX_SIDE;
    const char *b = (const char *)t->panel + j * step;
    amx_rows first = take_rows(t->a, above, copy[0]), last = take_rows(t->a + above, below, copy[1]);
    bool continues = t->accumulate;
    for (size_t s = 0; s < t->segments; s++)
        for (size_t p = 0; p < t->steps; p++, b += t->columns * step, continues = true) {
            AMX_ZERO_SUMS();
            for (size_t q = 0; q < int8_values(t, p) / AMX_ROW; q++) {
                size_t at = t->offsets[s] + p * INT8_ROW_STEP + INT8_HEAD + q * AMX_ROW;
                TILE_LOAD(6, b + INT8_VALUES + q * AMX_TILE, AMX_ROW);
                if (second) TILE_LOAD(7, b + INT8_GROUP + INT8_VALUES + q * AMX_TILE, AMX_ROW);
                if (upper) AMX_LOAD_ROWS(4, first, at);
                AMX_LOAD_ROWS(5, last, at);
                if (upper) TILE_INT8(0, 4, 6);
                TILE_INT8(2, 5, 6);
                if (upper && second) TILE_INT8(1, 4, 7);
                if (second) TILE_INT8(3, 5, 7);
            }
            if (upper) TILE_STORE(0, sums, apart);
            if (upper && second) TILE_STORE(1, sums + AMX_SIDE, apart);
            TILE_STORE(2, last_sums, apart);
            if (second) TILE_STORE(3, last_sums + AMX_SIDE, apart);
            add_sums(t, sums, b, p, s, j, continues);
            if (second) add_sums(t, sums + AMX_SIDE, b + INT8_GROUP, p, s, j + AMX_SIDE, continues);
        }
}

AMX_MULTIPLY(multiply, int8_block)

static void pack(const float *in, size_t count, float scale, void *out) { BYTES->pack(in, count, scale, out); }

static void transpose(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    BYTES->transpose(rows, stride, columns, k, width, panel);
}

static void transpose_stored(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units, const float *factors,
    void *panel) {
    BYTES->transpose_stored(rows, stride, columns, k, width, units, factors, panel);
}

/// The engine `name` of bf16 tiles.
#define AMX_BF16_ENGINE(name)                   \
    const phasor_engine name = {                \
        .rows = 2 * AMX_SIDE,                   \
        .step = AMX_STEP,                       \
        .element = sizeof(uint16_t),            \
        .pack = pack_bf16,                      \
        .transpose = transpose_tiles,           \
        .transpose_bf16 = transpose_tiles_bf16, \
        .interleave = interleave_tiles,         \
        .multiply = multiply_bf16,              \
    };

/// The engine `name` of int8 tiles.
#define AMX_INT8_ENGINE(name) const phasor_engine name = {INT8_ENGINE(2 * AMX_SIDE, INT8_ROW_STEP)};
