#include "widen.h"

#include <string.h>

void phasor_widen_bf16(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, 4);
    }
}

/// IEEE binary16, subnormals, infinities and NaN included.
void phasor_widen_f16(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        uint32_t sign = (uint32_t)(half & 0x8000) << 16;
        uint32_t magnitude = half & 0x7fff;
        // Shifted into place the exponent is 112 too small: a multiplication mends it, subnormals too.
        uint32_t bits = magnitude << 13;
        float value;
        memcpy(&value, &bits, 4);
        value *= 0x1p112f;
        memcpy(&bits, &value, 4);
        if (magnitude >= 0x7c00) bits = 0x7f800000u | (uint32_t)(magnitude & 0x3ff) << 13;
        bits |= sign;
        memcpy(out + i, &bits, 4);
    }
}

void phasor_widen_f64(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, bytes + 8 * i, 8);
        out[i] = (float)value;
    }
}
