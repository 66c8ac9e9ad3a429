#pragma once
#include <stddef.h>

/// One of Winograd's minimal filterings F(n x n, 3x3): a square of n x n outputs, made of (n + 2) x (n + 2) inputs by so many
/// products of frequencies.
typedef struct {
    size_t outputs;      // along a side of the square
    size_t frequencies;  // as many as inputs
    size_t block;        // squares whose sums stay in the cache while a panel is read
    /// 3x3 taps -> their frequencies.
    void (*weights)(const double *taps, double *out);
    /// out[f * apart + c] of one square, from its inputs of `channels` floats, in rows `row` floats apart.
    void (*forward)(const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart);
    /// The square's outputs, in rows `row` floats apart, from its sums `apart` floats apart. An output has ENGINE_COLUMNS floats,
    /// of which `columns`, and a few after them, are written.
    void (*backward)(const float *restrict in, size_t apart, size_t columns, float *restrict out, size_t row);
} winograd_form;

enum { WINOGRAD_MOST_SIDE = 6 };

/// The form with so many outputs along a side, 2 or 4; NULL for all else.
const winograd_form *winograd_form_of(size_t outputs);
