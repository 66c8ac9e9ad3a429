#include "widen.h"

#include <string.h>

#include "half.h"
#include "levels.h"

PHASOR_INLINE void phasor_widen_bf16_body(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(out + i, &bits, 4);
    }
}

PHASOR_INLINE void phasor_widen_f16_body(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) out[i] = phasor_half(bytes + 2 * i);
}

/// Sign, four exponent bits of bias 7, three fraction bits; no infinities, all ones are NaN (OCP 8-bit, "e4m3fn").
PHASOR_INLINE void phasor_widen_f8_e4m3_body(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = bytes[i] & 0x7f;
        uint32_t bits = magnitude << 20;
        float value;
        memcpy(&value, &bits, 4);
        value *= 0x1p120f;
        memcpy(&bits, &value, 4);
        if (magnitude == 0x7f) bits = 0x7fc00000u;
        bits |= (uint32_t)(bytes[i] & 0x80) << 24;
        memcpy(out + i, &bits, 4);
    }
}

/// The upper half of a binary16: sign, five exponent bits, two fraction bits (OCP 8-bit, "e5m2").
PHASOR_INLINE void phasor_widen_f8_e5m2_body(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = (uint16_t)(bytes[i] << 8);
        out[i] = phasor_half(&half);
    }
}

PHASOR_INLINE void phasor_widen_i8_body(const void *in, float *out, size_t count) {
    const signed char *bytes = in;
    for (size_t i = 0; i < count; i++) out[i] = (float)bytes[i];
}

PHASOR_INLINE void phasor_widen_f64_body(const void *in, float *out, size_t count) {
    const unsigned char *bytes = in;
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, bytes + 8 * i, 8);
        out[i] = (float)value;
    }
}

PHASOR_DISPATCH(phasor_widen_bf16, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_widen_f16, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_widen_f8_e4m3, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_widen_f8_e5m2, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_widen_i8, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_widen_f64, (const void *in, float *out, size_t count), (in, out, count))
