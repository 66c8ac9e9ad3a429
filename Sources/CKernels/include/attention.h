#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "gemm.h"
#include "threadpool.h"

/// out = softmax(scale q k^T + biases) v for each batch entry and head; all float32, row-major.
///   q, out  [batch, queries, heads * head_dim]
///   k, v    [batch, keys, kv_heads * head_dim]; query head h reads head h / (heads / kv_heads)
///   key_bias    [batch, keys] added to every score of that key, -INFINITY masks it; or NULL
///   score_bias  [heads, queries, keys] added to the scores of every batch entry; or NULL
///   soft_cap    scores become soft_cap tanh(score / soft_cap) before anything is added to them; 0: they do not
///   causal      query i sees keys 0...keys_before + i only
///   scoring     an engine that multiplies queries and keys in its precision, or NULL: that of the values does. Not with soft_cap or
///               causal: keys are rounded less the mean of those that are seen, which moves all scores of a query alike
/// A query that sees no key gets zeros.
typedef struct phasor_attention {
    const float *q, *k, *v;
    float *out;
    size_t batch, queries, keys, heads, kv_heads, head_dim;
    float scale;
    const float *key_bias;
    const float *score_bias;
    float soft_cap;
    bool causal;
    size_t keys_before;
    const phasor_engine *scoring;
} phasor_attention;

/// Bytes of 64-byte aligned scratch memory that it needs: k and v once more, packed, and a tile for each worker.
size_t phasor_attention_scratch(const phasor_engine *engine, const phasor_attention *work, int threads);

/// Tiled, with running float32 softmax statistics: scores are never held whole. Keys are taken in one fixed order, so a
/// row depends neither on the other queries nor on the number of threads.
void phasor_attention_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_attention *work, void *scratch);
