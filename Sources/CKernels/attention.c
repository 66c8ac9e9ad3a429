#include "attention.h"

#include <math.h>
#include <string.h>

#include "engine.h"
#include "softmax.h"

// First all keys and values are packed into panels: keys as the columns of q k^T, values as the columns of p v. Then each
// item takes 48 queries of one head past blocks of 512 keys: scores, running softmax, and their product with the values.
//
// An engine of its own for the scores gets keys less their mean: trained models have channels whose keys are large and alike, and int8
// would leave the others few of its values (SageAttention, arXiv 2410.02367).
enum {
    QUERY_TILE = 48,   // a multiple of ENGINE_ROWS, and of the sixteen rows of an AMX tile
    KEY_BLOCK = 512,   // a multiple of KEY_PANEL
    KEY_PANEL = ENGINE_COLUMNS
};

typedef struct {
    const phasor_attention *work;
    const phasor_engine *scoring, *engine;        // of queries and keys, and of the values
    size_t query_tiles, key_panels;
    size_t dim_steps, dim_width;                  // head_dim in steps of the scoring, and rounded up to lanes
    size_t key_panel_bytes, head_bytes;           // of packed keys, and of keys and values of one head
    size_t query_bytes, weight_bytes;             // from row to row of packed queries and softmax weights
    size_t worker_bytes;
    char *packed, *workers;
    float *means;                                 // [batch, kv_heads, dim_width]: what is taken off the keys; or NULL
} job;

static job plan(const phasor_engine *e, const phasor_attention *w, char *scratch) {
    job j = {.work = w, .scoring = w->scoring ? w->scoring : e, .engine = e};
    j.query_tiles = (w->queries + QUERY_TILE - 1) / QUERY_TILE;
    j.key_panels = (w->keys + KEY_PANEL - 1) / KEY_PANEL;
    j.dim_steps = engine_steps(j.scoring, w->head_dim);
    j.dim_width = engine_width(w->head_dim);
    j.key_panel_bytes = j.dim_steps * KEY_PANEL * engine_step_bytes(j.scoring);
    j.head_bytes = j.key_panels * (j.key_panel_bytes + KEY_PANEL * j.dim_width * e->element);
    j.query_bytes = engine_row_bytes(j.scoring, w->head_dim);
    j.weight_bytes = engine_row_bytes(e, KEY_BLOCK);
    j.worker_bytes = QUERY_TILE * (j.query_bytes + j.weight_bytes + (KEY_BLOCK + j.dim_width) * sizeof(float));
    j.packed = scratch;
    j.workers = scratch + w->batch * w->kv_heads * j.head_bytes;
    return j;
}

static size_t mean_bytes(const job *j) {
    return j->work->scoring ? j->work->batch * j->work->kv_heads * j->dim_width * sizeof(float) : 0;
}

size_t phasor_attention_scratch(const phasor_engine *engine, const phasor_attention *work, int threads) {
    job j = plan(engine, work, NULL);
    return work->batch * work->kv_heads * j.head_bytes + (size_t)threads * j.worker_bytes + mean_bytes(&j);
}

/// Where the keys and values of one head begin in those of all.
static size_t place_of(const phasor_attention *w, size_t head, size_t key) {
    return ((head / w->kv_heads * w->keys + key) * w->kv_heads + head % w->kv_heads) * w->head_dim;
}

/// The mean of one head's keys that are seen.
static void average(void *context, size_t head, int worker) {
    const job *j = context;
    const phasor_attention *w = j->work;
    (void)worker;
    float *mean = j->means + head * j->dim_width;
    memset(mean, 0, j->dim_width * sizeof(float));
    size_t seen = 0;
    for (size_t key = 0; key < w->keys; key++) {
        if (w->key_bias && w->key_bias[head / w->kv_heads * w->keys + key] == -INFINITY) continue;
        const float *row = w->k + place_of(w, head, key);
        for (size_t d = 0; d < w->head_dim; d++) mean[d] += row[d];
        seen++;
    }
    for (size_t d = 0; d < w->head_dim && seen > 0; d++) mean[d] /= (float)seen;
}

/// Values of one head follow its keys: for each group of 64 dimensions, all keys in order.
static char *value_panel(const job *j, char *head, size_t dim, size_t key) {
    size_t width = j->dim_width - dim < ENGINE_COLUMNS ? j->dim_width - dim : ENGINE_COLUMNS;
    return head + j->key_panels * (j->key_panel_bytes + KEY_PANEL * dim * j->engine->element)
        + key * width * j->engine->element;
}

/// Packs 64 keys and their values.
static void pack(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_attention *w = j->work;
    const phasor_engine *e = j->engine;
    size_t first = item % j->key_panels * KEY_PANEL, head = item / j->key_panels;
    size_t count = w->keys - first < KEY_PANEL ? w->keys - first : KEY_PANEL;
    size_t stride = w->kv_heads * w->head_dim, place = place_of(w, head, first);
    char *target = j->packed + head * j->head_bytes;
    char *keys = target + first / KEY_PANEL * j->key_panel_bytes;
    float *centred = (float *)(j->workers + (size_t)worker * j->worker_bytes);
    for (size_t c = 0; c < KEY_PANEL; c += ENGINE_LANES) {
        size_t lanes = c >= count ? 0 : count - c < ENGINE_LANES ? count - c : ENGINE_LANES;
        const float *rows = w->k + place + (lanes ? c * stride : 0), *mean = j->means + head * j->dim_width;
        for (size_t i = 0; i < lanes && j->means; i++)
            for (size_t d = 0; d < w->head_dim; d++) centred[i * w->head_dim + d] = rows[i * stride + d] - mean[d];
        j->scoring->transpose(
            j->means ? centred : rows, j->means ? w->head_dim : stride, lanes, w->head_dim, KEY_PANEL,
            keys + c * engine_step_bytes(j->scoring));
    }
    for (size_t dim = 0; dim < j->dim_width; dim += ENGINE_COLUMNS) {
        size_t width = j->dim_width - dim < ENGINE_COLUMNS ? j->dim_width - dim : ENGINE_COLUMNS;
        size_t columns = w->head_dim - dim < width ? w->head_dim - dim : width;
        char *values = value_panel(j, target, dim, first);
        e->interleave(w->v + place + dim, stride, count, columns, width, values);
        size_t written = engine_steps(e, count) * e->step;
        memset(values + written * width * e->element, 0, (KEY_PANEL - written) * width * e->element);
    }
}

static void attend(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_attention *w = j->work;
    const phasor_engine *e = j->engine;
    size_t first = item % j->query_tiles * QUERY_TILE;
    size_t head = item / j->query_tiles % w->heads, batch = item / j->query_tiles / w->heads;
    size_t rows = w->queries - first < QUERY_TILE ? w->queries - first : QUERY_TILE;
    size_t stride = w->heads * w->head_dim;
    size_t place = (batch * w->queries + first) * stride + head * w->head_dim;
    char *panels = j->packed + (batch * w->kv_heads + head / (w->heads / w->kv_heads)) * j->head_bytes;

    char *queries = j->workers + (size_t)worker * j->worker_bytes;
    char *weights = queries + QUERY_TILE * j->query_bytes;
    float *scores = (float *)(weights + QUERY_TILE * j->weight_bytes);
    float *sums = scores + QUERY_TILE * KEY_BLOCK;
    phasor_softmax_row softmax[QUERY_TILE];
    for (size_t i = 0; i < rows; i++) {
        j->scoring->pack(w->q + place + i * stride, w->head_dim, w->scale, queries + i * j->query_bytes);
        softmax[i] = (phasor_softmax_row){
            .scores = scores + i * KEY_BLOCK, .sums = sums + i * j->dim_width, .dim = j->dim_width,
            .soft_cap = w->soft_cap, .maximum = -INFINITY};
    }
    memset(sums, 0, rows * j->dim_width * sizeof(float));

    size_t none = 0;
    size_t last = w->keys_before + first + rows;  // keys that the last row sees, if it sees only those
    size_t end = w->causal && last < w->keys ? last : w->keys;
    for (size_t key = 0; key < end; key += KEY_BLOCK) {
        size_t count = end - key < KEY_BLOCK ? end - key : KEY_BLOCK;
        size_t padded = (count + KEY_PANEL - 1) / KEY_PANEL * KEY_PANEL;
        phasor_tile tile = {
            .columns = KEY_PANEL, .segments = 1, .steps = j->dim_steps, .last = engine_last(j->scoring, w->head_dim),
            .offsets = &none, .stride = KEY_BLOCK};
        for (size_t c = 0; c < padded; c += KEY_PANEL) {
            tile.panel = panels + (key + c) / KEY_PANEL * j->key_panel_bytes;
            for (size_t i = 0; i < rows; i += j->scoring->rows) {
                tile.rows = rows - i < j->scoring->rows ? rows - i : j->scoring->rows;
                for (size_t r = 0; r < tile.rows; r++) tile.a[r] = queries + (i + r) * j->query_bytes;
                tile.c = scores + i * KEY_BLOCK + c;
                j->scoring->multiply(&tile);
            }
        }
        for (size_t i = 0; i < rows; i++) {
            size_t query = first + i, own = w->keys_before + query;
            softmax[i].keys = padded;
            softmax[i].visible = count;
            if (w->causal && own < key + count) softmax[i].visible = own < key ? 0 : own - key + 1;
            softmax[i].key_bias = w->key_bias ? w->key_bias + batch * w->keys + key : NULL;
            softmax[i].score_bias = w->score_bias ? w->score_bias + (head * w->queries + query) * w->keys + key : NULL;
            phasor_softmax_block(&softmax[i]);
            e->pack(softmax[i].scores, padded, 1, weights + i * j->weight_bytes);
        }
        tile = (phasor_tile){
            .segments = 1, .steps = engine_steps(e, padded), .last = engine_last(e, padded), .offsets = &none,
            .stride = j->dim_width, .accumulate = true};
        for (size_t dim = 0; dim < j->dim_width; dim += ENGINE_COLUMNS) {
            tile.columns = j->dim_width - dim < ENGINE_COLUMNS ? j->dim_width - dim : ENGINE_COLUMNS;
            tile.panel = value_panel(j, panels, dim, key);
            for (size_t i = 0; i < rows; i += e->rows) {
                tile.rows = rows - i < e->rows ? rows - i : e->rows;
                for (size_t r = 0; r < tile.rows; r++) tile.a[r] = weights + (i + r) * j->weight_bytes;
                tile.c = sums + i * j->dim_width + dim;
                e->multiply(&tile);
            }
        }
    }
    for (size_t i = 0; i < rows; i++) {
        float factor = softmax[i].total > 0 ? 1.0f / softmax[i].total : 0;
        float *out = w->out + place + i * stride;
        for (size_t d = 0; d < w->head_dim; d++) out[d] = sums[i * j->dim_width + d] * factor;
    }
}

void phasor_attention_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_attention *work, void *scratch) {
    job j = plan(engine, work, scratch);
    if (work->scoring) {
        j.means = (float *)(j.workers + (size_t)phasor_pool_threads(pool) * j.worker_bytes);
        phasor_pool_run(pool, work->batch * work->kv_heads, average, &j);
    }
    phasor_pool_run(pool, work->batch * work->kv_heads * j.key_panels, pack, &j);
    phasor_pool_run(pool, work->batch * work->heads * j.query_tiles, attend, &j);
}
