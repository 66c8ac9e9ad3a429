#include "softmax.h"

#include <math.h>

#include "levels.h"

enum { LANES = 16 };

PHASOR_INLINE void phasor_softmax_block_body(phasor_softmax_row *row) {
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

    float lanes[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = row->maximum;
    for (size_t c = 0; c < keys; c += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] = s[c + l] > lanes[l] ? s[c + l] : lanes[l];
    float top = lanes[0];
    for (int l = 1; l < LANES; l++) top = lanes[l] > top ? lanes[l] : top;
    if (top == -INFINITY) {  // nothing visible so far
        for (size_t c = 0; c < keys; c++) s[c] = 0;
        return;
    }
    if (top > row->maximum) {
        float shrink = phasor_exp(row->maximum - top);  // sums are zero while the maximum is -INFINITY
        row->total *= shrink;
        for (size_t d = 0; d < row->dim; d++) row->sums[d] *= shrink;
        row->maximum = top;
    }
    for (int l = 0; l < LANES; l++) lanes[l] = 0;
    for (size_t c = 0; c < keys; c += LANES)
        for (int l = 0; l < LANES; l++) {
            float x = s[c + l] - top;
            float p = phasor_exp(x);
            p = x < -87.0f ? 0 : p;
            s[c + l] = p;
            lanes[l] += p;
        }
    float sum = 0;
    for (int l = 0; l < LANES; l++) sum += lanes[l];
    row->total += sum;
}

PHASOR_DISPATCH(phasor_softmax_block, (phasor_softmax_row *row), (row))
