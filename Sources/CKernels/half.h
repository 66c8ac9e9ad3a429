#pragma once
#include <stdint.h>
#include <string.h>

#include "levels.h"

/// IEEE binary16 at any address, exactly; subnormals, infinities and NaN included.
PHASOR_INLINE float phasor_half(const void *in) {
    uint16_t half;
    memcpy(&half, in, 2);
    uint32_t magnitude = half & 0x7fff;
    // Shifted into place the exponent is 112 too small: a multiplication mends it, subnormals too.
    uint32_t bits = magnitude << 13;
    float value;
    memcpy(&value, &bits, 4);
    value *= 0x1p112f;
    memcpy(&bits, &value, 4);
    if (magnitude >= 0x7c00) bits = 0x7f800000u | (uint32_t)(magnitude & 0x3ff) << 13;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&value, &bits, 4);
    return value;
}
