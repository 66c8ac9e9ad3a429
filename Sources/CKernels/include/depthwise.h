#pragma once
#include <stdbool.h>
#include <stddef.h>

/// A convolution of each channel with itself over one channels-last picture, zeros around it.
///   in      [height, width, channels]
///   weight  [side * side, channels], taps row by row; `side` is odd
///   bias    [channels] or NULL
///   out     [height, width, channels], apart from in; gated [height, width, channels / 2]: the first half of the channels times
///           silu of the second
typedef struct phasor_depthwise {
    size_t height, width, channels, side;
    const float *in, *weight, *bias;
    float *out;
    bool gated;
} phasor_depthwise;

/// Output channels first..<first + count of one row. Each value is summed over its taps in one order.
void phasor_depthwise_row(const phasor_depthwise *work, size_t row, size_t first, size_t count);
