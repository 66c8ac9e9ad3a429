#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "format.h"

/// Whether phasor_encode writes that format: F32, F16, BF16, F8_E4M3, Q8_0 and Q4_K.
bool phasor_encodes(phasor_format format);

/// out = in[0..<count] in `format`, to nearest; `count` fills whole blocks, `out` needs no alignment. F8_E4M3 saturates
/// at 448. The result does not depend on the instruction set.
/// Returns false, with `out` undefined, for values that the format cannot hold: those that are not finite in F8_E4M3
/// and blocks, and in blocks those beyond 65504.
bool phasor_encode(phasor_format format, const float *in, size_t count, void *out);

/// The largest |in[i]|; NaN or infinity if there is one.
float phasor_largest_magnitude(const float *in, size_t count);
