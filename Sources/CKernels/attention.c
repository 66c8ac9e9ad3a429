#include "attention.h"

#include <math.h>

#include "levels.h"

enum { QUERY_TILE = 16, KEY_TILE = 64 };

typedef struct {
    const phasor_attention *work;
    float *scratch;
    size_t query_tiles;
} job;

size_t phasor_attention_scratch(size_t head_dim) {
    return KEY_TILE * head_dim       // keys, transposed
        + QUERY_TILE * KEY_TILE      // scores
        + QUERY_TILE * head_dim      // running output
        + 2 * QUERY_TILE;            // running maximum and sum
}

PHASOR_INLINE void attend_body(const job *j, size_t item, float *scratch) {
    const phasor_attention *w = j->work;
    size_t dim = w->head_dim, heads = w->heads, keys = w->keys;
    size_t tile = item % j->query_tiles;
    size_t head = item / j->query_tiles % heads;
    size_t batch = item / j->query_tiles / heads;
    size_t first = tile * QUERY_TILE;
    size_t rows = w->queries - first < QUERY_TILE ? w->queries - first : QUERY_TILE;
    size_t kv_head = head / (heads / w->kv_heads);
    size_t q_stride = heads * dim, kv_stride = w->kv_heads * dim;
    const float *q = w->q + (batch * w->queries + first) * q_stride + head * dim;
    const float *k = w->k + batch * keys * kv_stride + kv_head * dim;
    const float *v = w->v + batch * keys * kv_stride + kv_head * dim;
    const float *key_bias = w->key_bias ? w->key_bias + batch * keys : NULL;
    const float *score_bias = w->score_bias ? w->score_bias + (head * w->queries + first) * keys : NULL;

    float *transposed = scratch;
    float *scores = transposed + KEY_TILE * dim;
    float *sums = scores + QUERY_TILE * KEY_TILE;
    float *maximum = sums + QUERY_TILE * dim;
    float *total = maximum + QUERY_TILE;
    for (size_t i = 0; i < rows; i++) {
        maximum[i] = -INFINITY;
        total[i] = 0;
        for (size_t d = 0; d < dim; d++) sums[i * dim + d] = 0;
    }
    size_t end = w->causal && first + rows < keys ? first + rows : keys;
    for (size_t key = 0; key < end; key += KEY_TILE) {
        size_t columns = keys - key < KEY_TILE ? keys - key : KEY_TILE;
        for (size_t c = 0; c < columns; c++)
            for (size_t d = 0; d < dim; d++) transposed[d * KEY_TILE + c] = k[(key + c) * kv_stride + d];
        for (size_t c = columns; c < KEY_TILE; c++)
            for (size_t d = 0; d < dim; d++) transposed[d * KEY_TILE + c] = 0;
        for (size_t i = 0; i < rows; i++) {
            float s[KEY_TILE] = {0};
            for (size_t d = 0; d < dim; d++) {
                float x = q[i * q_stride + d];
                const float *t = transposed + d * KEY_TILE;
                for (size_t c = 0; c < KEY_TILE; c++) s[c] += x * t[c];
            }
            for (size_t c = 0; c < columns; c++) s[c] *= w->scale;
            if (key_bias)
                for (size_t c = 0; c < columns; c++) s[c] += key_bias[key + c];
            if (score_bias)
                for (size_t c = 0; c < columns; c++) s[c] += score_bias[i * keys + key + c];
            size_t seen = columns;
            if (w->causal && first + i < key + columns) seen = first + i < key ? 0 : first + i - key + 1;
            for (size_t c = seen; c < KEY_TILE; c++) s[c] = -INFINITY;

            float top = maximum[i];
            for (size_t c = 0; c < KEY_TILE; c++) top = s[c] > top ? s[c] : top;
            if (top == -INFINITY) {  // nothing visible so far
                for (size_t c = 0; c < KEY_TILE; c++) scores[i * KEY_TILE + c] = 0;
                continue;
            }
            float shrink = maximum[i] == -INFINITY ? 0 : phasor_exp(maximum[i] - top);
            float lanes[16] = {0};
            for (size_t c = 0; c < KEY_TILE; c++) {
                float p = s[c] == -INFINITY ? 0 : phasor_exp(s[c] - top);
                scores[i * KEY_TILE + c] = p;
                lanes[c % 16] += p;
            }
            float sum = 0;
            for (int l = 0; l < 16; l++) sum += lanes[l];
            total[i] = total[i] * shrink + sum;
            maximum[i] = top;
            if (shrink != 1)
                for (size_t d = 0; d < dim; d++) sums[i * dim + d] *= shrink;
        }
        for (size_t i = 0; i < rows; i++) {
            float *o = sums + i * dim;
            for (size_t c = 0; c < columns; c++) {
                float p = scores[i * KEY_TILE + c];
                const float *row = v + (key + c) * kv_stride;
                for (size_t d = 0; d < dim; d++) o[d] += p * row[d];
            }
        }
    }
    float *out = w->out + (batch * w->queries + first) * q_stride + head * dim;
    for (size_t i = 0; i < rows; i++) {
        float factor = total[i] > 0 ? 1.0f / total[i] : 0;
        for (size_t d = 0; d < dim; d++) out[i * q_stride + d] = sums[i * dim + d] * factor;
    }
}

PHASOR_DISPATCH(attend, (const job *j, size_t item, float *scratch), (j, item, scratch))

static void run(void *context, size_t item, int worker) {
    const job *j = context;
    attend(j, item, j->scratch + (size_t)worker * phasor_attention_scratch(j->work->head_dim));
}

void phasor_attention_f32(phasor_pool *pool, const phasor_attention *work, float *scratch) {
    job j = {work, scratch, (work->queries + QUERY_TILE - 1) / QUERY_TILE};
    phasor_pool_run(pool, work->batch * work->heads * j.query_tiles, run, &j);
}
