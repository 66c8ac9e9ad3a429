#pragma once
#include <stddef.h>

/// A convolution over channels-last frames, seen as one matrix product: each output pixel is a row of gathered taps.
///   in   [frames_in, height_in, width_in, channels]
///   out  pixels of [frames_out, height_out, width_out]
/// Tap (a, b, c) of output pixel (t, y, x) reads frame t * stride_time + a and, on the input enlarged `upsample` times
/// by nearest neighbour, row y * stride + b - pad and column x * stride + c - pad; outside the frame it reads zero.
typedef struct phasor_convolution {
    size_t frames_in, height_in, width_in, channels;
    size_t frames_out, height_out, width_out;
    size_t kernel_time, kernel_height, kernel_width;
    size_t stride_time, stride;
    size_t pad_height, pad_width;
    size_t upsample;
} phasor_convolution;

/// Gathers the taps of time tap `tap` for `pixels` output pixels from `first` on:
/// out [pixels, kernel_height * kernel_width * channels].
void phasor_gather_taps(
    const phasor_convolution *shape, const float *in, size_t tap, size_t first, size_t pixels, float *out);
