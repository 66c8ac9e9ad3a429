#include <stddef.h>

#include "convolution.h"
#include "levels.h"

enum { DEPTHWISE_LANES = 32 };

/// `lanes` channels of one place: the taps that lie inside the frame.
PHASOR_INLINE void depthwise_place(
    const float *x, size_t height, size_t width, size_t channels, const float *filters, size_t kernel, size_t row,
    size_t column, size_t lanes, float *out) {
    float sums[DEPTHWISE_LANES] = {0};
    size_t half = kernel / 2;
    size_t top = row < half ? half - row : 0, left = column < half ? half - column : 0;
    for (size_t a = top; a < kernel && row + a - half < height; a++) {
        for (size_t b = left; b < kernel && column + b - half < width; b++) {
            const float *in = x + ((row + a - half) * width + column + b - half) * channels;
            const float *tap = filters + (a * kernel + b) * channels;
            for (size_t l = 0; l < lanes; l++) sums[l] += in[l] * tap[l];
        }
    }
    for (size_t l = 0; l < lanes; l++) out[l] = sums[l];
}

PHASOR_INLINE void phasor_depthwise_row_body(
    const float *x, size_t height, size_t width, size_t channels, const float *filters, size_t kernel, size_t row,
    float *out) {
    for (size_t column = 0; column < width; column++) {
        size_t c = 0;
        for (; c + DEPTHWISE_LANES <= channels; c += DEPTHWISE_LANES)
            depthwise_place(
                x + c, height, width, channels, filters + c, kernel, row, column, DEPTHWISE_LANES,
                out + column * channels + c);
        if (c < channels)
            depthwise_place(
                x + c, height, width, channels, filters + c, kernel, row, column, channels - c,
                out + column * channels + c);
    }
}
PHASOR_DISPATCH(
    phasor_depthwise_row,
    (const float *x, size_t height, size_t width, size_t channels, const float *filters, size_t kernel, size_t row,
     float *out),
    (x, height, width, channels, filters, kernel, row, out))
