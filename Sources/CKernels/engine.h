#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/gemm.h"

// The inner product machine under the matrix product, attention and convolution: one for each instruction set level.
//
// The left operand is rows of packed values, each at an address of its own. The right one is a panel: for each step of
// `step` values along K, `width` columns (a multiple of 16), each with its `step` values side by side. Packed values are
// float32 (step 1), pairs of bf16 (step 2), tiles of bf16 (step 32, see amx.h), or blocks of int8 with their scales (step 256,
// see int8.h), where sixteen columns lie side by side as the instructions take them. Sums are float32. An
// output element is summed over K in order, with the same instructions whatever its place in a tile, so that it does not
// depend on what it is computed with.
enum {
    ENGINE_ROWS = 6,        // of a tile, where sums are vector registers
    ENGINE_MOST_ROWS = 32,  // of any engine's tile
    ENGINE_COLUMNS = 64,
    ENGINE_LANES = 16
};

/// How the unit of an int8 column's block follows from its values.
typedef enum engine_units {
    ENGINE_UNITS_FITTED,  // the largest is 127
    ENGINE_UNITS_OF_TWO,  // the next power of two: values of few digits, such as fp8, that are not much smaller stay exact
    ENGINE_UNITS_WHOLE    // 1, for values that are int8 already
} engine_units;

/// c[i][j] (+)= sum over segments s and steps p of a[i][offsets[s] + p] panel[s][p][j], for 1...rows of the engine
/// and 16, 32, 48 or 64 columns.
typedef struct phasor_tile {
    size_t rows, columns;
    size_t segments, steps;  // steps of one segment
    size_t last;             // values of a segment's last step; those behind them are zeros
    const size_t *offsets;   // of each segment in a row, in bytes
    const char *a[ENGINE_MOST_ROWS];
    const void *panel;  // [segments * steps][columns][step], 64-byte aligned
    float *c;
    size_t stride;    // of c, in floats
    bool accumulate;  // add to what c holds
} phasor_tile;

struct phasor_engine {
    size_t rows;     // the most of a tile
    size_t step;     // values along K in one step
    size_t element;  // bytes of a packed value
    size_t scales;   // bytes of a step beside its values, for each column of a panel
    size_t head;     // bytes of a row's step beside `step` times `element`

    /// out[0..<count] = in * scale as packed values, zero padded to a whole step.
    void (*pack)(const float *in, size_t count, float scale, void *out);

    /// Sixteen columns of a panel, from `columns` <= 16 rows [columns, k] of float32 (`stride` floats apart) that hold
    /// one column each; the others become zero, as does the end of the last step. `width`: columns of the panel.
    void (*transpose)(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel);

    /// The same from rows of bf16, `stride` bytes apart and unaligned; NULL where bf16 has no advantage.
    void (*transpose_bf16)(const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel);

    /// As `transpose`, from values that were rounded before, as a file has them: those that its units hold are not rounded again.
    /// `factors`: of each column, or NULL. NULL where there are no units.
    void (*transpose_stored)(
        const float *rows, size_t stride, size_t columns, size_t k, size_t width, engine_units units,
        const float *factors, void *panel);

    /// A panel of `width` columns from [k, columns] float32 in K order; columns beyond `columns` become zero. NULL where
    /// the engine is for products alone.
    void (*interleave)(const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel);

    void (*multiply)(const phasor_tile *tile);
};

/// Steps that hold k values.
static inline size_t engine_steps(const phasor_engine *e, size_t k) { return (k + e->step - 1) / e->step; }

/// Values in the last of the steps that hold k.
static inline size_t engine_last(const phasor_engine *e, size_t k) { return k - (engine_steps(e, k) - 1) * e->step; }

/// Bytes of one column's step in a panel.
static inline size_t engine_step_bytes(const phasor_engine *e) { return e->step * e->element + e->scales; }

/// Bytes of a step in a row.
static inline size_t engine_row_step_bytes(const phasor_engine *e) { return e->step * e->element + e->head; }

/// Columns of a panel for `columns` outputs.
static inline size_t engine_width(size_t columns) {
    return (columns + ENGINE_LANES - 1) / ENGINE_LANES * ENGINE_LANES;
}

/// Bytes from row to row of packed values: an odd number of cache lines, so that the rows of a tile do not fall into the
/// same set of the cache.
static inline size_t engine_row_bytes(const phasor_engine *e, size_t k) {
    size_t lines = (engine_steps(e, k) * engine_row_step_bytes(e) + 63) / 64;
    return (lines | 1) * 64;
}

extern const phasor_engine phasor_engine_plain;
#if defined(__x86_64__)
extern const phasor_engine phasor_engine_avx2;
extern const phasor_engine phasor_engine_avx512;
extern const phasor_engine phasor_engine_avx512_bf16;
extern const phasor_engine phasor_engine_amx_bf16;

/// phasor_peak_multiply for tiles of bf16 or int8.
double phasor_peak_tiles(bool int8, size_t rounds);
#endif
extern const phasor_engine phasor_engine_amx_bf16_model;

#if defined(__aarch64__)
extern const phasor_engine phasor_engine_neon;
extern const phasor_engine phasor_engine_neon_bf16;
#endif

// What engines with float32 values share.
void phasor_pack_f32(const float *in, size_t count, float scale, void *out);
void phasor_transpose_f32(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel);
void phasor_interleave_f32(const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel);
