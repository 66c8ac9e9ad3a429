#pragma once
#include <stddef.h>

/// One row of scores and what its softmax has summed so far.
///   scores      [keys], a multiple of 64; on return exp(score - maximum), 0 where hidden
///   visible     scores at and beyond it are hidden
///   soft_cap    see phasor_attention
///   key_bias, score_bias  [at least visible] or NULL
///   sums        [dim], a multiple of 16: shrunk where the maximum rises
typedef struct phasor_softmax_row {
    float *scores;
    size_t keys, visible;
    float soft_cap;
    const float *key_bias, *score_bias;
    float *sums;
    size_t dim;
    float maximum;  // of all scores so far, -INFINITY at first
    float total;    // of their exponentials
} phasor_softmax_row;

/// Takes one more block of scores into the running softmax.
void phasor_softmax_block(phasor_softmax_row *row);
