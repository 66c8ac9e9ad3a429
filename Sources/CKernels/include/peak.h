#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "isa.h"

/// Runs `rounds` rounds of independent multiply-adds in registers, of bf16 pairs or of float32, as a level's kernels do
/// them: nothing can multiply faster. Returns the floating point operations done.
double phasor_peak_multiply(phasor_isa level, bool bf16, size_t rounds);

/// Reads `bytes` bytes (a multiple of 256) into a result that depends on all of them.
void phasor_peak_read(const void *memory, size_t bytes, unsigned long *result);
