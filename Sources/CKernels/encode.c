#include "encode.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "half.h"
#include "levels.h"

// From float32 to the types of checkpoints: the inverse of format.c. Block layouts are described in blocks32.c and
// blocks256.c.

// A product and a sum stay two roundings at every level, so that each gives the same bytes.
#pragma STDC FP_CONTRACT OFF

PHASOR_INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

/// Round to nearest, ties to even.
PHASOR_INLINE uint16_t half_from(float x) {
    uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13;
    // Next to 0.5 the unit in the last place is that of binary16's subnormals.
    uint32_t subnormal = bits_of(fabsf(x) + 0.5f) - 0x3f000000;
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal - (112 << 10);
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

PHASOR_INLINE void phasor_encode_f16_body(const float *in, void *out, size_t count) {
    unsigned char *bytes = out;
    for (size_t i = 0; i < count; i++) {
        uint16_t half = half_from(in[i]);
        memcpy(bytes + 2 * i, &half, 2);
    }
}

PHASOR_INLINE void phasor_encode_bf16_body(const float *in, void *out, size_t count) {
    unsigned char *bytes = out;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = bits_of(in[i]);
        uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
        uint32_t quiet = bits | 0x400000;
        uint16_t half = (uint16_t)(((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded) >> 16);
        memcpy(bytes + 2 * i, &half, 2);
    }
}

PHASOR_INLINE void phasor_encode_f8_e4m3_body(const float *in, void *out, size_t count) {
    unsigned char *bytes = out;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = bits_of(in[i]), magnitude = bits & 0x7fffffff;
        uint32_t normal = ((magnitude + 0x7ffff + (magnitude >> 20 & 1)) >> 20) - (120 << 3);
        // Next to 2^14 the unit in the last place is 2^-9, that of e4m3's subnormals.
        uint32_t subnormal = bits_of(fabsf(in[i]) + 16384.0f) - 0x46800000;
        uint32_t value = magnitude < 0x3c800000 ? subnormal : normal;
        value = magnitude > 0x43e00000 ? 0x7e : value;
        bytes[i] = (unsigned char)(value | (bits >> 24 & 0x80));
    }
}

/// Round to nearest, ties away from zero, of numbers that fit an int.
PHASOR_INLINE int32_t rounded(float x) {
    float magnitude = fabsf(x);
    int32_t whole = (int32_t)magnitude;
    whole += magnitude - (float)whole >= 0.5f;
    return x < 0 ? -whole : whole;
}

PHASOR_INLINE void phasor_encode_q8_0_body(const float *in, void *out, size_t count) {
    char *b = out;
    for (size_t i = 0; i < count; i += 32, b += 34) {
        float largest = 0;
        for (int l = 0; l < 32; l++) largest = fabsf(in[i + l]) > largest ? fabsf(in[i + l]) : largest;
        float d = largest / 127.0f, inverse = d == 0 ? 0 : 1.0f / d;
        // Where d is subnormal its inverse is infinite; the block is as good as zero.
        inverse = isinf(inverse) ? 0 : inverse;
        uint16_t half = half_from(d);
        memcpy(b, &half, 2);
        for (int l = 0; l < 32; l++) b[2 + l] = (char)rounded(in[i + l] * inverse);
    }
}

enum { GROUP = 32, LANES = 8 };

/// Sums of a group, in eight lanes so that the order of additions is fixed and compilers vectorise it.
typedef struct {
    float lane[LANES];
} sums;

PHASOR_INLINE float total(const sums *s) {
    float pairs[4];
    for (int j = 0; j < 4; j++) pairs[j] = s->lane[j] + s->lane[j + 4];
    return (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]);
}

PHASOR_INLINE float level_of(float x, float minimum, float inverse) {
    float q = (x - minimum) * inverse + 0.5f;
    q = q < 0 ? 0 : q;
    q = q > 15.5f ? 15.5f : q;
    return (float)(int32_t)q;
}

/// Scale and minimum for which scale * q + minimum, q in 0...15, comes nearest to x, larger values weighing more.
///
/// For each of some ways to spread the 16 levels over the group's range the best scale and minimum follow in closed
/// form (weighted least squares of x over q); the way with the least error wins. The minimum is never positive: the
/// format subtracts it.
PHASOR_INLINE void fit_group(const float *x, float *scale, float *minimum) {
    float low = 0, high = x[0];
    sums squares = {{0}};
    for (int l = 0; l < GROUP; l++) {
        low = x[l] < low ? x[l] : low;
        high = x[l] > high ? x[l] : high;
    }
    for (int l = 0; l < GROUP; l += LANES)
        for (int j = 0; j < LANES; j++) squares.lane[j] += x[l + j] * x[l + j];
    *scale = 0;
    *minimum = low;
    float range = high - low;
    if (range <= 0 || isinf(15.0f / range)) return;
    float mean = sqrtf(total(&squares) / GROUP);
    float weight[GROUP];
    sums ws = {{0}}, wxs = {{0}};
    for (int l = 0; l < GROUP; l += LANES)
        for (int j = 0; j < LANES; j++) {
            weight[l + j] = mean + fabsf(x[l + j]);
            ws.lane[j] += weight[l + j];
            wxs.lane[j] += weight[l + j] * x[l + j];
        }
    float w = total(&ws), wx = total(&wxs), best = INFINITY;
    for (int step = -10; step <= 10; step++) {
        float inverse = (15.0f + 0.1f * (float)step) / range;
        float q[GROUP];
        sums qs = {{0}}, qqs = {{0}}, xqs = {{0}}, errors = {{0}};
        for (int l = 0; l < GROUP; l += LANES)
            for (int j = 0; j < LANES; j++) {
                float level = level_of(x[l + j], low, inverse), weighted = weight[l + j] * level;
                q[l + j] = level;
                qs.lane[j] += weighted;
                qqs.lane[j] += weighted * level;
                xqs.lane[j] += weighted * x[l + j];
            }
        float wq = total(&qs), wqq = total(&qqs), wxq = total(&xqs);
        float determinant = w * wqq - wq * wq;
        if (!(determinant > 0)) continue;
        float s = (w * wxq - wx * wq) / determinant, m = (wqq * wx - wq * wxq) / determinant;
        if (m > 0) {
            m = 0;
            s = wxq / wqq;
        }
        for (int l = 0; l < GROUP; l += LANES)
            for (int j = 0; j < LANES; j++) {
                float difference = s * q[l + j] + m - x[l + j];
                errors.lane[j] += weight[l + j] * difference * difference;
            }
        float error = total(&errors);
        if (error < best && s > 0) {
            best = error;
            *scale = s;
            *minimum = m;
        }
    }
}

PHASOR_INLINE void phasor_encode_q4_k_body(const float *in, void *out, size_t count) {
    uint8_t *b = out;
    for (size_t i = 0; i < count; i += 256, b += 144, in += 256) {
        float scale[8], minimum[8], largest_scale = 0, largest_minimum = 0;
        for (int group = 0; group < 8; group++) {
            fit_group(in + group * GROUP, scale + group, minimum + group);
            minimum[group] = -minimum[group];
            largest_scale = scale[group] > largest_scale ? scale[group] : largest_scale;
            largest_minimum = minimum[group] > largest_minimum ? minimum[group] : largest_minimum;
        }
        uint16_t half = half_from(largest_scale / 63.0f);
        memcpy(b, &half, 2);
        half = half_from(largest_minimum / 63.0f);
        memcpy(b + 2, &half, 2);
        // What a reader will see of them.
        float d = phasor_half(b), dmin = phasor_half(b + 2);
        uint8_t *packed = b + 4, *q = b + 16;
        memset(packed, 0, 12);
        for (int group = 0; group < 8; group++) {
            int s = d > 0 ? rounded(scale[group] / d) : 0, m = dmin > 0 ? rounded(minimum[group] / dmin) : 0;
            s = s > 63 ? 63 : s;
            m = m > 63 ? 63 : m;
            if (group < 4) {
                packed[group] |= (uint8_t)s;
                packed[group + 4] |= (uint8_t)m;
            } else {
                packed[group + 4] = (uint8_t)((s & 15) | (m & 15) << 4);
                packed[group - 4] |= (uint8_t)(s >> 4 << 6);
                packed[group] |= (uint8_t)(m >> 4 << 6);
            }
            float step = d * (float)s, offset = -dmin * (float)m, inverse = step > 0 ? 1.0f / step : 0;
            inverse = isinf(inverse) ? 0 : inverse;
            uint8_t *values = q + group / 2 * 32;
            for (int l = 0; l < GROUP; l++) {
                uint8_t level = (uint8_t)level_of(in[group * GROUP + l], offset, inverse);
                values[l] = group % 2 ? (uint8_t)(values[l] | level << 4) : level;
            }
        }
    }
}

/// The greatest bit pattern without its sign: floats order as their bits do, infinity and NaN last.
PHASOR_INLINE void phasor_largest_bits_body(const float *in, size_t count, uint32_t *out) {
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = bits_of(in[i]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    *out = largest;
}

typedef void encoder(const float *in, void *out, size_t count);
encoder phasor_encode_f16, phasor_encode_bf16, phasor_encode_f8_e4m3, phasor_encode_q8_0, phasor_encode_q4_k;
void phasor_largest_bits(const float *in, size_t count, uint32_t *out);

PHASOR_DISPATCH(phasor_encode_f16, (const float *in, void *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_encode_bf16, (const float *in, void *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_encode_f8_e4m3, (const float *in, void *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_encode_q8_0, (const float *in, void *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_encode_q4_k, (const float *in, void *out, size_t count), (in, out, count))
PHASOR_DISPATCH(phasor_largest_bits, (const float *in, size_t count, uint32_t *out), (in, count, out))

float phasor_largest_magnitude(const float *in, size_t count) {
    uint32_t bits;
    phasor_largest_bits(in, count, &bits);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

bool phasor_encodes(phasor_format format) {
    switch (format) {
    case PHASOR_F32:
    case PHASOR_F16:
    case PHASOR_BF16:
    case PHASOR_F8_E4M3:
    case PHASOR_Q8_0:
    case PHASOR_Q4_K: return true;
    default: return false;
    }
}

bool phasor_encode(phasor_format format, const float *in, size_t count, void *out) {
    switch (format) {
    case PHASOR_F32: memcpy(out, in, count * sizeof(float)); return true;
    case PHASOR_F16: phasor_encode_f16(in, out, count); return true;
    case PHASOR_BF16: phasor_encode_bf16(in, out, count); return true;
    default: break;
    }
    float largest = phasor_largest_magnitude(in, count);
    if (format == PHASOR_F8_E4M3 && isfinite(largest)) {
        phasor_encode_f8_e4m3(in, out, count);
        return true;
    }
    // The scale of a block is a binary16.
    if (!(largest <= 65504.0f)) return false;
    switch (format) {
    case PHASOR_Q8_0: phasor_encode_q8_0(in, out, count); return true;
    case PHASOR_Q4_K: phasor_encode_q4_k(in, out, count); return true;
    default: return false;
    }
}
