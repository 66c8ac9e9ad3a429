#include "blocks.h"
#include "half.h"

// Blocks of 256 values in groups with quantised scales of their own ("K-quants" of llama.cpp's GGUF files). d and dmin
// are binary16, s and m the scale and minimum of a group, q small integers:
//   Q2_K  s|m[16], q[64], d, dmin         groups of 16: d s q - dmin m
//   Q3_K  high[32], q[64], s[12], d       groups of 16: d s q
//   Q4_K  d, dmin, s|m[12], q[128]        groups of 32: d s q - dmin m
//   Q5_K  d, dmin, s|m[12], high[32], q[128]            likewise
//   Q6_K  q[128], high[64], s[16], d      groups of 16: d s q
// Two-bit values: byte l of 32 holds values l, l + 32, l + 64 and l + 96 of 128. Four-bit ones: l and l + 32 of 64.

enum { BLOCK = 256 };

PHASOR_INLINE void phasor_decode_q2_k_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 84) {
        const uint8_t *scales = b, *q = b + 16;
        float d = phasor_half(b + 80), dmin = phasor_half(b + 82);
        for (int group = 0; group < 16; group++, out += 16) {
            const uint8_t *values = q + group / 8 * 32 + group % 2 * 16;
            int shift = group % 8 / 2 * 2;
            float scale = d * (float)(scales[group] & 15), minimum = dmin * (float)(scales[group] >> 4);
            for (int l = 0; l < 16; l++) out[l] = scale * (float)(values[l] >> shift & 3) - minimum;
        }
    }
}

PHASOR_INLINE void phasor_decode_q3_k_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 110) {
        const uint8_t *high = b, *q = b + 32, *scales = b + 96;
        float d = phasor_half(b + 108);
        for (int group = 0; group < 16; group++, out += 16) {
            // Six bits: four in nibbles of bytes 0-7, two in bytes 8-11.
            int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
            int scale6 = low | (scales[8 + group % 4] >> (group / 4 * 2) & 3) << 4;
            float scale = d * (float)(scale6 - 32);
            const uint8_t *values = q + group / 8 * 32 + group % 2 * 16, *third = high + group % 2 * 16;
            int shift = group % 8 / 2 * 2, bit = group / 2;
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)((values[l] >> shift & 3) + (third[l] >> bit & 1) * 4 - 4);
        }
    }
}

/// Scale and minimum of group 0...7, six bits each: groups 0-3 in the low bits of bytes 0-3 and 4-7; of groups 4-7 the
/// low four bits in bytes 8-11 and the high two in the top of bytes 0-3 and 4-7.
PHASOR_INLINE void scale_and_minimum(const uint8_t *s, int group, int *scale, int *minimum) {
    if (group < 4) {
        *scale = s[group] & 63;
        *minimum = s[group + 4] & 63;
    } else {
        *scale = (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
        *minimum = s[group + 4] >> 4 | s[group] >> 6 << 4;
    }
}

PHASOR_INLINE void phasor_decode_q4_k_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 144) {
        float d = phasor_half(b), dmin = phasor_half(b + 2);
        for (int group = 0; group < 8; group++, out += 32) {
            int scale, minimum;
            scale_and_minimum(b + 4, group, &scale, &minimum);
            float s = d * (float)scale, m = dmin * (float)minimum;
            const uint8_t *q = b + 16 + group / 2 * 32;
            int shift = group % 2 * 4;
            for (int l = 0; l < 32; l++) out[l] = s * (float)(q[l] >> shift & 15) - m;
        }
    }
}

PHASOR_INLINE void phasor_decode_q5_k_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 176) {
        float d = phasor_half(b), dmin = phasor_half(b + 2);
        const uint8_t *high = b + 16;
        for (int group = 0; group < 8; group++, out += 32) {
            int scale, minimum;
            scale_and_minimum(b + 4, group, &scale, &minimum);
            float s = d * (float)scale, m = dmin * (float)minimum;
            const uint8_t *q = b + 48 + group / 2 * 32;
            int shift = group % 2 * 4;
            for (int l = 0; l < 32; l++)
                out[l] = s * (float)((q[l] >> shift & 15) + (high[l] >> group & 1) * 16) - m;
        }
    }
}

PHASOR_INLINE void phasor_decode_q6_k_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 210) {
        const int8_t *scales = (const int8_t *)b + 192;
        float d = phasor_half(b + 208);
        for (int group = 0; group < 16; group++, out += 16) {
            int half = group / 8, quarter = group % 8 / 2, side = group % 2 * 16;
            // Values l and l + 32 of 128 are low nibbles, l + 64 and l + 96 the high ones of the same bytes.
            const uint8_t *q = b + half * 64 + quarter % 2 * 32 + side, *high = b + 128 + half * 32 + side;
            int shift = quarter / 2 * 4;
            float scale = d * (float)scales[group];
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)(((q[l] >> shift & 15) | (high[l] >> (quarter * 2) & 3) << 4) - 32);
        }
    }
}

PHASOR_DISPATCH(phasor_decode_q2_k, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q3_k, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q4_k, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q5_k, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_q6_k, (const void *in, float *out, size_t count), (in, out, count))
