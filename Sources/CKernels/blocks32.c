#include "blocks.h"
#include "half.h"

// Blocks of 32 values with one scale, as llama.cpp's GGUF files hold them. d and m are binary16, q are small integers:
//   Q8_0  d, q[32]                 d * q
//   Q4_0  d, 16 bytes              d * (q - 8)
//   Q4_1  d, m, 16 bytes           d * q + m
//   Q5_0  d, 32 bits, 16 bytes     d * (q - 16)
//   Q5_1  d, m, 32 bits, 16 bytes  d * q + m
// Byte i holds the low four bits of values i and i + 16; bit i of the 32 is the fifth bit of value i.

enum { BLOCK = 32, HALF = 16 };

PHASOR_INLINE void phasor_decode_q8_0_body(const void *in, float *out, size_t count) {
    const char *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 34, out += BLOCK) {
        float d = phasor_half(b);
        const int8_t *q = (const int8_t *)b + 2;
        for (int l = 0; l < BLOCK; l++) out[l] = d * (float)q[l];
    }
}

/// Four-bit values at q, their fifth bits in `high`: out = d * (value - zero) + m.
PHASOR_INLINE void nibbles(const uint8_t *q, uint32_t high, float d, float m, int zero, float *out) {
    for (int l = 0; l < HALF; l++) {
        int low = (q[l] & 15) | (int)((high >> l & 1) << 4);
        int top = (q[l] >> 4) | (int)((high >> (l + HALF) & 1) << 4);
        out[l] = d * (float)(low - zero) + m;
        out[l + HALF] = d * (float)(top - zero) + m;
    }
}

PHASOR_INLINE void phasor_decode_q4_0_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 18, out += BLOCK) nibbles(b + 2, 0, phasor_half(b), 0, 8, out);
}

PHASOR_INLINE void phasor_decode_q4_1_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 20, out += BLOCK)
        nibbles(b + 4, 0, phasor_half(b), phasor_half(b + 2), 0, out);
}

PHASOR_INLINE uint32_t word(const void *in) {
    uint32_t value;
    memcpy(&value, in, 4);
    return value;
}

PHASOR_INLINE void phasor_decode_q5_0_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 22, out += BLOCK)
        nibbles(b + 6, word(b + 2), phasor_half(b), 0, 16, out);
}

PHASOR_INLINE void phasor_decode_q5_1_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 24, out += BLOCK)
        nibbles(b + 8, word(b + 4), phasor_half(b), phasor_half(b + 2), 0, out);
}

PHASOR_DISPATCH(phasor_decode_q8_0, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q4_0, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q4_1, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q5_0, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q5_1, (const void *in, float *out, size_t count), (in, out, count))
