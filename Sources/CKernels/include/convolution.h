#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "gemm.h"
#include "threadpool.h"

/// A convolution over channels-last frames; all float32.
///   before    [frames_held, height_in, width_in, channels], or NULL if none is held
///   in        [frames_in, height_in, width_in, channels]
/// The input is `frames_zero` frames of zeros, those held from before, and then `in`.
///   scale, shift   [channels] or NULL: input values are activation(in scale + shift) where they are inside the frame, which
///             is a norm before the convolution
///   panels    what phasor_convolution_pack made; the kernel's taps are those from `first_tap` on, of `packed_taps`
///   winograd  0 where the panels hold taps. Outputs along the side of a square, 2 or 4, where they hold its frequencies: of 3x3
///             taps in strides of one, by a phasor_engine_of_squares
///   by_phases whether they hold the 2x2 taps of four phases (see phasor_phase_weights), one phase after the other: of 3x3 taps in
///             strides of one around each pixel of an input enlarged twice
///   bias      [outputs] or NULL
///   residual  like out, added to it, or NULL
///   out       [frames_out, height_out, width_out, outputs], apart from all inputs
/// Tap (a, b, c) of output pixel (t, y, x) reads frame t * stride_time + a and, on the input enlarged `upsample` times
/// by nearest neighbour, row y * stride + b - pad and column x * stride + c - pad; outside the frame it reads zero.
typedef struct phasor_convolution {
    size_t frames_zero, frames_held, frames_in, height_in, width_in, channels;
    size_t frames_out, height_out, width_out, outputs;
    size_t kernel_time, kernel_height, kernel_width;
    size_t stride_time, stride;
    size_t pad;
    size_t upsample;
    size_t first_tap, packed_taps;
    const void *panels;
    size_t winograd;
    bool by_phases;
    const float *before, *in, *scale, *shift;
    phasor_activation activation;
    const float *bias, *residual;
    float *out;
} phasor_convolution;

/// Bytes of the panels of `taps` taps, 64-byte aligned.
size_t phasor_convolution_panel_bytes(const phasor_engine *engine, size_t outputs, size_t channels, size_t taps);

/// Weights as the kernel of an engine reads them.
///   weight    [outputs, channels, taps], taps in the order time, height, width
///   buffer    [16, channels], for use meanwhile
void phasor_convolution_pack(
    const phasor_engine *engine, const float *weight, size_t outputs, size_t channels, size_t taps, float *buffer,
    void *panels);

/// The engine that multiplies frequencies where another one multiplies taps: float32, as rounded frequencies would cost more
/// digits than rounded taps do. NULL where taps are faster: in float32 squares of 4x4 save three products of four, and tiles of
/// bf16 multiply more than twice as fast.
const phasor_engine *phasor_engine_of_squares(const phasor_engine *engine);

/// 3x3 taps as the frequencies of squares with so many outputs along a side, 2 or 4. They are packed as if they were taps.
///   weight    [count, 3, 3]
///   out       [count, 16] or [count, 36]
void phasor_winograd_weights(size_t outputs, const float *weight, size_t count, float *out);

/// Of 3x3 taps over an input that is enlarged twice, the 2x2 taps over the input itself that make every second row and column from
/// (phase / 2, phase % 2) on: two rows of the enlarged input are the same one, and so are two columns.
///   weight    [count, 3, 3]
///   out       [count, 2, 2]
void phasor_phase_weights(size_t phase, const float *weight, size_t count, float *out);

/// Bytes of 64-byte aligned scratch memory that it needs.
size_t phasor_convolution_scratch(const phasor_engine *engine, const phasor_convolution *work, int threads);

/// Each output element is summed over its taps and channels in one order whatever the frames, its place in them, or the
/// number of threads.
void phasor_convolution_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_convolution *work, void *scratch);
