#pragma once
#include <stddef.h>

/// How weights are stored. Block formats keep their blocks along the last axis.
typedef enum phasor_format {
    PHASOR_F32,
    PHASOR_F16,
    PHASOR_BF16,
    PHASOR_F8_E4M3,
    PHASOR_F8_E5M2,
    PHASOR_I8,
    PHASOR_Q8_0,
    PHASOR_Q4_0,
    PHASOR_Q4_1,
    PHASOR_Q5_0,
    PHASOR_Q5_1,
    PHASOR_Q2_K,
    PHASOR_Q3_K,
    PHASOR_Q4_K,
    PHASOR_Q5_K,
    PHASOR_Q6_K,
    PHASOR_IQ1_S,
    PHASOR_IQ1_M,
    PHASOR_IQ2_XXS,
    PHASOR_IQ2_XS,
    PHASOR_IQ2_S,
    PHASOR_IQ3_XXS,
    PHASOR_IQ3_S,
    PHASOR_IQ4_NL,
    PHASOR_IQ4_XS,
    PHASOR_MXFP4,
} phasor_format;

/// Elements and bytes of one block: 1 and the size of an element where there are no blocks.
size_t phasor_format_elements(phasor_format format);
size_t phasor_format_bytes(phasor_format format);

/// out[0..<count] = elements first... of a row in `format` as float32, exactly; `first` lies on a block's edge.
/// The row needs no alignment: it lies where a mapped file has it.
void phasor_decode(phasor_format format, const void *row, size_t first, size_t count, float *out);
