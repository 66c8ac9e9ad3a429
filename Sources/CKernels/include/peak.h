#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "isa.h"

/// What is multiplied.
typedef enum phasor_operands { PHASOR_OPERANDS_F32, PHASOR_OPERANDS_BF16, PHASOR_OPERANDS_INT8 } phasor_operands;

/// Runs about `rounds` rounds of independent multiply-adds in registers, as the kernels of a level do them that this processor
/// has: nothing can multiply faster. Operands that it has no instruction for are the next wider ones. Returns the operations done.
double phasor_peak_multiply(phasor_isa level, phasor_operands operands, size_t rounds);

/// Reads `bytes` bytes (a multiple of 256) into a result that depends on all of them.
void phasor_peak_read(const void *memory, size_t bytes, unsigned long *result);
