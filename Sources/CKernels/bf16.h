#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine.h"
#include "levels.h"

// bf16 operands packed in plain C, for a panel's step of `run` values of K: what engines share whose processors have no faster
// way, and twins.

/// To nearest, ties to even; NaN stays one.
PHASOR_INLINE uint16_t bf16_rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : nearest);
}

/// The `pack` of an engine.
PHASOR_INLINE void bf16_pack(const float *in, size_t count, float scale, size_t run, void *out) {
    uint16_t *o = out;
    for (size_t i = 0; i < count; i++) o[i] = bf16_rounded(in[i] * scale);
    for (size_t i = count; i % run; i++) o[i] = 0;
}

/// The `transpose` of an engine.
PHASOR_INLINE void bf16_transpose(
    const float *rows, size_t stride, size_t columns, size_t k, size_t width, size_t run, void *panel) {
    uint16_t *o = panel;
    for (size_t p = 0; p < k; p += run, o += width * run)
        for (size_t c = 0; c < ENGINE_LANES; c++)
            for (size_t q = 0; q < run; q++)
                o[c * run + q] = c < columns && p + q < k ? bf16_rounded(rows[c * stride + p + q]) : 0;
}

/// The `transpose_bf16` of an engine.
PHASOR_INLINE void bf16_transpose_bf16(
    const void *rows, size_t stride, size_t columns, size_t k, size_t width, size_t run, void *panel) {
    uint16_t *o = panel;
    for (size_t p = 0; p < k; p += run, o += width * run) {
        size_t values = k - p < run ? k - p : run;
        memset(o, 0, ENGINE_LANES * run * 2);
        for (size_t c = 0; c < columns; c++) memcpy(o + c * run, (const char *)rows + c * stride + p * 2, values * 2);
    }
}

/// The `interleave` of an engine.
PHASOR_INLINE void bf16_interleave(
    const float *rows, size_t stride, size_t k, size_t columns, size_t width, size_t run, void *panel) {
    uint16_t *o = panel;
    for (size_t p = 0; p < k; p += run)
        for (size_t c = 0; c < width; c++, o += run)
            for (size_t q = 0; q < run; q++)
                o[q] = c < columns && p + q < k ? bf16_rounded(rows[(p + q) * stride + c]) : 0;
}
