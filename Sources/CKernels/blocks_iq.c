#include "blocks.h"
#include "grids.h"
#include "half.h"

// Blocks whose values are not evenly spaced, as llama.cpp's GGUF files hold them ("IQ" types). d is binary16, s a small
// integer scale, g a point of a grid that stands for several values at once:
//   IQ4_NL   d, q[16]                       32 values d levels[q]
//   IQ4_XS   d, s' [2], s[4], q[128]        groups of 32: d (s - 32) levels[q]
//   IQ2_XXS  d, 8 times {g[4], signs | s}   groups of 32: d (s + 1/2) / 4 g, eight values a point
//   IQ2_XS   d, (g | signs)[32], s[8]       groups of 16: likewise
//   IQ2_S    d, g[32], signs[32], g' [8], s[8]          likewise
//   IQ3_XXS  d, g[64], 8 times signs | s    groups of 32: d (s + 1/2) / 2 g, four values a point
//   IQ3_S    d, g[64], g' [8], signs[32], s[4]          groups of 32: d (2 s + 1) g
//   IQ1_S    d, g[32], (g' | s | side)[8]   groups of 32: d (2 s + 1) (g +- 1/8), eight values a point
//   IQ1_M    g[32], (g' | side)[16], (s | d)[8]         groups of 16: likewise
//   MXFP4    e, q[16]                       32 values 2^(e - 128) doubled[q] (OCP Microscaling Formats 1.0)
// A dash marks the high bits. Four-bit values: byte l of 16 holds values l and l + 16.

enum { BLOCK = 256 };

static const int8_t levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// The values of four-bit floating point, e2m1, times two.
static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
static const uint8_t values2[4] = {8, 25, 43, 0};
static const uint8_t values3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const uint8_t values3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

PHASOR_INLINE uint16_t half_word(const uint8_t *in) { return (uint16_t)(in[0] | in[1] << 8); }

PHASOR_INLINE uint32_t word(const uint8_t *in) { return half_word(in) | (uint32_t)half_word(in + 2) << 16; }

/// Seven sign bits; an eighth makes their number even.
PHASOR_INLINE uint32_t even(uint32_t signs) {
    signs &= 127;
    uint32_t odd = signs ^ signs >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return signs | (odd & 1) << 7;
}

/// Eight values of one point, those whose bit is set in `signs` negative.
PHASOR_INLINE void point8(uint16_t point, uint32_t signs, float scale, float *out) {
    for (int i = 0; i < 8; i++) {
        float value = scale * (float)values2[point >> (2 * i) & 3];
        out[i] = signs >> i & 1 ? -value : value;
    }
}

/// Four values of one point.
PHASOR_INLINE void point4(uint16_t point, const uint8_t *values, uint32_t signs, float scale, float *out) {
    for (int i = 0; i < 4; i++) {
        float value = scale * (float)values[point >> (4 * i) & 7];
        out[i] = signs >> i & 1 ? -value : value;
    }
}

PHASOR_INLINE void nibbles(const uint8_t *q, const int8_t *values, float scale, float *out) {
    for (int l = 0; l < 16; l++) {
        out[l] = scale * (float)values[q[l] & 15];
        out[l + 16] = scale * (float)values[q[l] >> 4];
    }
}

PHASOR_INLINE void phasor_decode_iq4_nl_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += 32, b += 18, out += 32) nibbles(b + 2, levels, phasor_half(b), out);
}

PHASOR_INLINE void phasor_decode_mxfp4_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += 32, b += 17, out += 32) {
        // 2^(e - 128), which is subnormal in float32 for the two smallest.
        uint32_t bits = b[0] < 2 ? (uint32_t)0x200000 << b[0] : (uint32_t)(b[0] - 1) << 23;
        float scale;
        memcpy(&scale, &bits, 4);
        nibbles(b + 1, doubled, scale, out);
    }
}

PHASOR_INLINE void phasor_decode_iq4_xs_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 136) {
        float d = phasor_half(b);
        uint16_t high = half_word(b + 2);
        for (int group = 0; group < 8; group++, out += 32) {
            int scale = (b[4 + group / 2] >> group % 2 * 4 & 15) | (high >> 2 * group & 3) << 4;
            nibbles(b + 8 + 16 * group, levels, d * (float)(scale - 32), out);
        }
    }
}

PHASOR_INLINE void phasor_decode_iq2_xxs_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 66) {
        float d = phasor_half(b);
        const uint8_t *group = b + 2;
        for (int g = 0; g < 8; g++, group += 8) {
            uint32_t rest = word(group + 4);
            float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++, out += 8)
                point8(phasor_grid_iq2_xxs[group[l]], even(rest >> 7 * l), scale, out);
        }
    }
}

PHASOR_INLINE void phasor_decode_iq2_xs_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 74) {
        float d = phasor_half(b);
        for (int l = 0; l < 32; l++, out += 8) {
            uint16_t q = half_word(b + 2 + 2 * l);
            float scale = d * (0.5f + (float)(b[66 + l / 4] >> l / 2 % 2 * 4 & 15)) * 0.25f;
            point8(phasor_grid_iq2_xs[q & 511], even(q >> 9), scale, out);
        }
    }
}

PHASOR_INLINE void phasor_decode_iq2_s_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 82) {
        float d = phasor_half(b);
        for (int l = 0; l < 32; l++, out += 8) {
            int q = b[2 + l] | (b[66 + l / 4] >> l % 4 * 2 & 3) << 8;
            float scale = d * (0.5f + (float)(b[74 + l / 4] >> l / 2 % 2 * 4 & 15)) * 0.25f;
            point8(phasor_grid_iq2_s[q], b[34 + l], scale, out);
        }
    }
}

PHASOR_INLINE void phasor_decode_iq3_xxs_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 98) {
        float d = phasor_half(b);
        for (int group = 0; group < 8; group++) {
            uint32_t rest = word(b + 66 + 4 * group);
            float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
            const uint8_t *q = b + 2 + 8 * group;
            for (int l = 0; l < 8; l++, out += 4) {
                uint32_t signs = even(rest >> l / 2 * 7) >> l % 2 * 4;
                point4(phasor_grid_iq3_xxs[q[l]], values3_xxs, signs, scale, out);
            }
        }
    }
}

PHASOR_INLINE void phasor_decode_iq3_s_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 110) {
        float d = phasor_half(b);
        for (int l = 0; l < 64; l++, out += 4) {
            int q = b[2 + l] | (b[66 + l / 8] >> l % 8 & 1) << 8;
            float scale = d * (float)(1 + 2 * (b[106 + l / 16] >> l / 8 % 2 * 4 & 15));
            point4(phasor_grid_iq3_s[q], values3_s, (uint32_t)b[74 + l / 2] >> l % 2 * 4, scale, out);
        }
    }
}

/// Eight values in {-1, 0, 1}, all moved by an eighth.
PHASOR_INLINE void ternary8(int q, int is_below, float scale, float *out) {
    uint16_t point = phasor_grid_iq1[q];
    float move = is_below ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) out[i] = scale * ((float)((point >> (2 * i) & 3) - 1) + move);
}

PHASOR_INLINE void phasor_decode_iq1_s_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 50) {
        float d = phasor_half(b);
        for (int l = 0; l < 32; l++, out += 8) {
            uint16_t high = half_word(b + 34 + l / 4 * 2);
            float scale = d * (float)(2 * (high >> 12 & 7) + 1);
            ternary8(b[2 + l] | (high >> l % 4 * 3 & 7) << 8, high >> 15, scale, out);
        }
    }
}

PHASOR_INLINE void phasor_decode_iq1_m_body(const void *in, float *out, size_t count) {
    const uint8_t *b = in;
    for (size_t i = 0; i < count; i += BLOCK, b += 56) {
        // The scale of the block lies in the top bits of the four words of scales.
        const uint8_t *scales = b + 48;
        uint16_t half = 0;
        for (int part = 0; part < 4; part++) half |= (uint16_t)((scales[2 * part + 1] >> 4) << 4 * part);
        float d = phasor_half(&half);
        for (int l = 0; l < 32; l++, out += 8) {
            int high = b[32 + l / 2] >> l % 2 * 4;
            int s = half_word(scales + l / 8 * 2) >> l / 2 % 4 * 3 & 7;
            ternary8(b[l] | (high & 7) << 8, high >> 3 & 1, d * (float)(2 * s + 1), out);
        }
    }
}

PHASOR_DISPATCH(phasor_decode_iq4_nl, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq4_xs, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq2_xxs, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq2_xs, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq2_s, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq3_xxs, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq3_s, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq1_s, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_iq1_m, (const void *in, float *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_decode_mxfp4, (const void *in, float *out, size_t count), (in, out, count))
