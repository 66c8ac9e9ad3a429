#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "threadpool.h"

/// out = softmax(scale q k^T + biases) v for each batch entry and head; all float32, row-major.
///   q, out  [batch, queries, heads * head_dim]
///   k, v    [batch, keys, kv_heads * head_dim]; query head h reads head h / (heads / kv_heads)
///   key_bias    [batch, keys] added to every score of that key, -INFINITY masks it; or NULL
///   score_bias  [heads, queries, keys] added to the scores of every batch entry; or NULL
///   causal      query i sees keys 0...i only
typedef struct phasor_attention {
    const float *q, *k, *v;
    float *out;
    size_t batch, queries, keys, heads, kv_heads, head_dim;
    float scale;
    const float *key_bias;
    const float *score_bias;
    bool causal;
} phasor_attention;

/// Floats of scratch memory that one worker needs.
size_t phasor_attention_scratch(size_t head_dim);

/// Tiled, with a running softmax: memory does not grow with the number of keys. Keys are taken in one fixed order, so
/// a row does not depend on the number of threads. `scratch` holds `threads` times `phasor_attention_scratch` floats.
void phasor_attention_f32(phasor_pool *pool, const phasor_attention *work, float *scratch);
