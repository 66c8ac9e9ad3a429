#include "softmax.h"

#include <math.h>

#include "lanes.h"
#include "levels.h"

typedef int32_t lane_bits __attribute__((vector_size(64), aligned(4), may_alias));

// Maxima and sums are kept in four vectors at a time, so that one need not wait for the one before it.
enum { GROUP = 4, GROUP_LANES = GROUP * LANE_COUNT };

PHASOR_INLINE phasor_lanes all(float x) { return (phasor_lanes){0} + x; }

/// b where either is not a number.
PHASOR_INLINE phasor_lanes larger(phasor_lanes a, phasor_lanes b) {
    lane_bits first = a > b;
    return (phasor_lanes)(((lane_bits)a & first) | ((lane_bits)b & ~first));
}

/// 2^x for x <= 0, within 1.7e-7 of it, and 0 for x <= -127: the exponent's bits times a polynomial on [-1/2, 1/2], which is exactly 1
/// at 0 (fitted to the least relative error). What is not a number stays so.
PHASOR_INLINE phasor_lanes exp2_lanes(phasor_lanes x) {
    x = larger(all(-127.0f), x);
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the lowest bits; the exponent's bits are 127 more.
    const float rounding = 12582912.0f + 127.0f;
    phasor_lanes shifted = x + rounding;
    phasor_lanes r = x - (shifted - rounding);
    phasor_lanes p = all(1.3264727e-3f);
    p = p * r + 9.671513e-3f;
    p = p * r + 5.5507336e-2f;
    p = p * r + 0.24022242f;
    p = p * r + 0.693147f;
    p = p * r + 1.0f;
    return p * (phasor_lanes)((lane_bits)shifted << 23);
}

/// A vector whose first lanes are those of v from `half` on.
#define BEHIND(v, half)                                                                                                   \
    __builtin_shufflevector(                                                                                              \
        v, v, half, half + 1 % half, half + 2 % half, half + 3 % half, half + 4 % half, half + 5 % half, half + 6 % half, \
        half + 7 % half, 8, 9, 10, 11, 12, 13, 14, 15)

PHASOR_INLINE float largest_of(const phasor_lanes *group) {
    phasor_lanes v = larger(larger(group[0], group[1]), larger(group[2], group[3]));
    v = larger(v, BEHIND(v, 8));
    v = larger(v, BEHIND(v, 4));
    v = larger(v, BEHIND(v, 2));
    return larger(v, BEHIND(v, 1))[0];
}

PHASOR_INLINE float sum_of(const phasor_lanes *group) {
    phasor_lanes v = (group[0] + group[1]) + (group[2] + group[3]);
    v += BEHIND(v, 8);
    v += BEHIND(v, 4);
    v += BEHIND(v, 2);
    return (v + BEHIND(v, 1))[0];
}

PHASOR_INLINE void phasor_softmax_block_body(phasor_softmax_row *row) {
    const float log2_e = 1.44269504f;
    float *s = row->scores;
    size_t keys = row->keys, visible = row->visible;
    if (row->soft_cap > 0) {
        float cap = row->soft_cap, inverse = 1.0f / cap;
        for (size_t c = 0; c < visible; c++) s[c] = cap * phasor_tanh(s[c] * inverse);
    }
    if (row->key_bias)
        for (size_t c = 0; c < visible; c++) s[c] += row->key_bias[c];
    if (row->score_bias)
        for (size_t c = 0; c < visible; c++) s[c] += row->score_bias[c];
    for (size_t c = visible; c < keys; c++) s[c] = -INFINITY;

    phasor_lanes group[GROUP];
    for (int g = 0; g < GROUP; g++) group[g] = all(row->maximum);
    for (size_t c = 0; c < keys; c += GROUP_LANES)
        for (int g = 0; g < GROUP; g++) group[g] = larger(*(phasor_lanes *)(s + c + g * LANE_COUNT), group[g]);
    float top = largest_of(group);
    if (top == -INFINITY) {  // nothing visible so far, or nothing that is a number
        for (size_t c = 0; c < keys; c++) s[c] = s[c] == -INFINITY ? 0 : s[c];
        return;
    }
    if (top > row->maximum) {
        // Sums are zero while the maximum is -INFINITY.
        float shrink = exp2_lanes(all((row->maximum - top) * log2_e))[0];
        row->total *= shrink;
        for (size_t d = 0; d < row->dim; d += LANE_COUNT) *(phasor_lanes *)(row->sums + d) *= shrink;
        row->maximum = top;
    }
    phasor_lanes shift = all(top * log2_e);
    for (int g = 0; g < GROUP; g++) group[g] = all(0);
    for (size_t c = 0; c < keys; c += GROUP_LANES)
        for (int g = 0; g < GROUP; g++) {
            phasor_lanes *at = (phasor_lanes *)(s + c + g * LANE_COUNT);
            *at = exp2_lanes(*at * log2_e - shift);
            group[g] += *at;
        }
    row->total += sum_of(group);
}

PHASOR_DISPATCH(phasor_softmax_block, (phasor_softmax_row *row), (row))
