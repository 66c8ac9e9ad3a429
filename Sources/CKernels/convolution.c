#include "convolution.h"

#include <string.h>

void phasor_gather_taps(
    const phasor_convolution *shape, const float *in, size_t tap, size_t first, size_t pixels, float *out) {
    const phasor_convolution s = *shape;
    size_t bytes = s.channels * sizeof(float);
    size_t height = s.height_in * s.upsample, width = s.width_in * s.upsample;
    for (size_t p = 0; p < pixels; p++) {
        size_t pixel = first + p;
        size_t x = pixel % s.width_out;
        size_t y = pixel / s.width_out % s.height_out;
        size_t t = pixel / s.width_out / s.height_out;
        const float *frame = in + (t * s.stride_time + tap) * s.height_in * s.width_in * s.channels;
        for (size_t b = 0; b < s.kernel_height; b++) {
            size_t row = y * s.stride + b - s.pad_height;  // wraps below zero: then it is not < height
            for (size_t c = 0; c < s.kernel_width; c++, out += s.channels) {
                size_t column = x * s.stride + c - s.pad_width;
                if (row < height && column < width)
                    memcpy(out, frame + ((row / s.upsample) * s.width_in + column / s.upsample) * s.channels, bytes);
                else
                    memset(out, 0, bytes);
            }
        }
    }
}
