#include "gemm.h"

#include <string.h>

#include "engine.h"

// One item of work is a panel of 64 outputs of a product times a block of rows. For each block of K the panel is packed from the
// weights where they lie - 128 KB that stay in the second-level cache - and the rows stream past it, a tile at a time.
enum {
    ROW_BLOCK = 1020,    // rows that share a packed panel: packing then costs one percent
    FEW_ROWS = 96,       // the least of them, and a tenth, where many threads share few panels
    THREAD_ITEMS = 4,    // that each thread should find: the last ones leave little to wait for
    K_BYTES = 2048,      // of K in a panel's column
    CHUNK = 256          // values of K decoded at a time: the largest block of any format
};

typedef struct {
    const phasor_gemm *works;
    const phasor_engine *engine;
    size_t panels, blocks, block_rows;  // panels of all products
    size_t row_bytes;     // of packed x
    const char *packed;   // x as packed values; x itself where it is that already
    char *packing;
    char *workers;
    size_t worker_bytes;
    size_t threads;
} job;

static size_t k_block(const phasor_engine *e) { return K_BYTES / engine_step_bytes(e) * e->step; }

static size_t panels_of(const phasor_gemm *g) { return (g->n + ENGINE_COLUMNS - 1) / ENGINE_COLUMNS; }

/// The product that has a panel, which becomes the number among its own.
static const phasor_gemm *product_of(const job *j, size_t *panel) {
    const phasor_gemm *g = j->works;
    for (; *panel >= panels_of(g); g++) *panel -= panels_of(g);
    return g;
}

static job plan(const phasor_engine *e, const phasor_gemm *g, size_t count, int threads, char *scratch) {
    job j = {.works = g, .engine = e, .threads = (size_t)threads};
    for (size_t i = 0; i < count; i++) j.panels += panels_of(g + i);
    j.blocks = (g->m + ROW_BLOCK / 2) / ROW_BLOCK;
    if (j.blocks == 0) j.blocks = 1;
    if (threads > 1 && j.blocks * j.panels < THREAD_ITEMS * j.threads && j.panels > 0) {
        size_t wanted = (THREAD_ITEMS * j.threads + j.panels - 1) / j.panels, most = g->m / FEW_ROWS;
        if (wanted > most) wanted = most;
        if (wanted > j.blocks) j.blocks = wanted;
    }
    size_t rows = (g->m + j.blocks - 1) / j.blocks;
    j.block_rows = (rows + e->rows - 1) / e->rows * e->rows;
    if (j.block_rows == 0) j.block_rows = e->rows;
    j.blocks = (g->m + j.block_rows - 1) / j.block_rows;
    if (e->step == 1) {
        j.row_bytes = g->k * sizeof(float);
        j.packed = (const char *)g->x;
    } else {
        j.row_bytes = engine_row_bytes(e, g->k);
        j.packing = scratch;
        j.packed = scratch;
    }
    // A worker holds a panel, sums and decoded weights.
    j.worker_bytes = ENGINE_COLUMNS * K_BYTES
        + j.block_rows * ENGINE_COLUMNS * sizeof(float)
        + ENGINE_LANES * CHUNK * sizeof(float);
    j.workers = scratch + (j.packing ? g->m * j.row_bytes : 0);
    return j;
}

size_t phasor_gemm_scratch(const phasor_engine *engine, const phasor_gemm *works, size_t count, int threads) {
    job j = plan(engine, works, count, threads, NULL);
    return (engine->step == 1 ? 0 : works->m * j.row_bytes) + (size_t)threads * j.worker_bytes;
}

enum { PACK_ROWS = 16 };

static void pack_rows(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_gemm *g = j->works;  // x is that of all
    (void)worker;
    for (size_t row = item * PACK_ROWS; row < (item + 1) * PACK_ROWS && row < g->m; row++)
        j->engine->pack(g->x + row * g->k, g->k, 1, j->packing + row * j->row_bytes);
}

/// The units in which an engine keeps what the format has rounded already.
static engine_units units_of(const phasor_engine *e, phasor_format format) {
    if (!e->transpose_stored) return ENGINE_UNITS_FITTED;
    if (format == PHASOR_I8) return ENGINE_UNITS_WHOLE;
    return format == PHASOR_F8_E4M3 || format == PHASOR_F8_E5M2 ? ENGINE_UNITS_OF_TWO : ENGINE_UNITS_FITTED;
}

/// Packs values k0..<k0 + k of `columns` outputs from `first` on.
static void pack_panel(
    const phasor_engine *e, const phasor_gemm *g, size_t first, size_t columns, size_t k0, size_t k, size_t width,
    char *panel, float *decoded) {
    size_t stride = g->k / phasor_format_elements(g->format) * phasor_format_bytes(g->format);
    size_t step_bytes = engine_step_bytes(e);
    for (size_t c = 0; c < width; c += ENGINE_LANES) {
        size_t lanes = columns - c < ENGINE_LANES ? columns - c : ENGINE_LANES;
        const char *rows = (const char *)g->w + (first + c) * stride;
        char *target = panel + c * step_bytes;
        if (g->format == PHASOR_BF16 && e->transpose_bf16 && !g->scales) {
            e->transpose_bf16(rows + k0 * 2, stride, lanes, k, width, target);
            continue;
        }
        float factors[ENGINE_LANES];
        for (size_t i = 0; i < lanes; i++) factors[i] = g->scales ? g->scales[g->scale_count == 1 ? 0 : first + c + i] : 1;
        engine_units units = units_of(e, g->format);
        for (size_t p = 0; p < k; p += CHUNK) {
            size_t count = k - p < CHUNK ? k - p : CHUNK;
            char *place = target + p / e->step * width * step_bytes;
            for (size_t i = 0; i < lanes; i++) {
                float *row = decoded + i * CHUNK;
                phasor_decode(g->format, rows + i * stride, k0 + p, count, row);
                for (size_t q = 0; q < count && g->scales && units == ENGINE_UNITS_FITTED; q++) row[q] *= factors[i];
            }
            if (units == ENGINE_UNITS_FITTED)
                e->transpose(decoded, CHUNK, lanes, count, width, place);
            else
                e->transpose_stored(decoded, CHUNK, lanes, count, width, units, g->scales ? factors : NULL, place);
        }
    }
}

/// Fetches the weights that this worker most likely packs next, the `part`-th of `parts` of them, by the last tiles of a panel: no
/// processor foresees sixteen rows at once. With few rows of x, where a panel is soon used up, waiting for the next one's memory
/// would be a tenth of the time.
static void fetch_next(const job *j, size_t item, size_t k0, size_t part, size_t parts) {
    if (parts > ENGINE_COLUMNS) {
        if (part + ENGINE_COLUMNS < parts) return;
        part -= parts - ENGINE_COLUMNS;
        parts = ENGINE_COLUMNS;
    }
    size_t panel = item % j->panels;
    k0 += k_block(j->engine);
    if (k0 >= j->works->k) {
        panel += j->threads;
        k0 = 0;
    }
    if (panel >= j->panels) return;
    const phasor_gemm *g = product_of(j, &panel);
    size_t per = (ENGINE_COLUMNS + parts - 1) / parts, first = panel * ENGINE_COLUMNS;
    size_t row = first + part * per, end = first + ENGINE_COLUMNS < g->n ? first + ENGINE_COLUMNS : g->n;
    size_t k = g->k - k0 < k_block(j->engine) ? g->k - k0 : k_block(j->engine);
    size_t elements = phasor_format_elements(g->format), bytes = phasor_format_bytes(g->format);
    for (size_t last = row + per < end ? row + per : end; row < last; row++) {
        const char *at = (const char *)g->w + (row * g->k + k0) / elements * bytes;
        for (size_t byte = 0; byte < k / elements * bytes; byte += 64) __builtin_prefetch(at + byte, 0, 2);
    }
}

/// Fetches the places where a tile's results go, and what they are added to, while the tile is multiplied.
static void fetch_outputs(const phasor_gemm *g, size_t row, size_t rows, size_t first, size_t columns) {
    for (size_t i = row; i < row + rows; i++)
        for (size_t c = first; c < first + columns; c += 64 / sizeof(float)) {
            __builtin_prefetch(g->out + i * g->n + c, 1, 3);
            if (g->residual) __builtin_prefetch(g->residual + i * g->n + c, 0, 3);
        }
}

/// Finishes rows row..<row + rows of the panel's columns, in runs that share a gate.
static void store(const phasor_gemm *g, const float *sums, size_t row, size_t rows, size_t first, size_t columns) {
    for (size_t end = row + rows; row < end;) {
        size_t group = g->gate ? row / g->gate_rows : 0;
        size_t run = g->gate && (group + 1) * g->gate_rows < end ? (group + 1) * g->gate_rows - row : end - row;
        size_t place = row * g->n + first;
        phasor_epilogue(
            sums, ENGINE_COLUMNS, run, columns, g->bias ? g->bias + first : NULL, g->activation,
            g->residual ? g->residual + place : NULL, g->n, g->gate ? g->gate + group * g->n + first : NULL,
            g->out + place, g->n);
        sums += run * ENGINE_COLUMNS;
        row += run;
    }
}

static void multiply(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_engine *e = j->engine;
    size_t own = item % j->panels;
    const phasor_gemm *g = product_of(j, &own);
    size_t first = own * ENGINE_COLUMNS, start = item / j->panels * j->block_rows;
    size_t columns = g->n - first < ENGINE_COLUMNS ? g->n - first : ENGINE_COLUMNS;
    size_t end = g->m - start < j->block_rows ? g->m : start + j->block_rows;
    char *panel = j->workers + (size_t)worker * j->worker_bytes;
    float *decoded = (float *)(panel + ENGINE_COLUMNS * K_BYTES);
    float *sums = decoded + ENGINE_LANES * CHUNK;
    size_t none = 0;
    for (size_t k0 = 0; k0 < g->k; k0 += k_block(e)) {
        size_t k = g->k - k0 < k_block(e) ? g->k - k0 : k_block(e);
        size_t place = k0 / e->step * engine_row_step_bytes(e);
        phasor_tile tile = {
            .columns = engine_width(columns), .segments = 1, .steps = engine_steps(e, k), .last = engine_last(e, k),
            .offsets = &none, .panel = panel, .stride = ENGINE_COLUMNS, .accumulate = k0 > 0};
        pack_panel(e, g, first, columns, k0, k, tile.columns, panel, decoded);
        for (size_t row = start; row < end; row += e->rows) {
            tile.rows = end - row < e->rows ? end - row : e->rows;
            for (size_t i = 0; i < tile.rows; i++) tile.a[i] = j->packed + (row + i) * j->row_bytes + place;
            tile.c = sums + (row - start) * ENGINE_COLUMNS;
            fetch_next(j, item, k0, (row - start) / e->rows, (end - start + e->rows - 1) / e->rows);
            if (k0 + k == g->k) fetch_outputs(g, row, tile.rows, first, columns);
            e->multiply(&tile);
            if (k0 + k == g->k) store(g, tile.c, row, tile.rows, first, columns);
        }
    }
}

void phasor_gemm_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_gemm *works, size_t count, void *scratch) {
    job j = plan(engine, works, count, phasor_pool_threads(pool), scratch);
    if (works->m == 0 || j.panels == 0) return;
    if (j.packing) phasor_pool_run(pool, (works->m + PACK_ROWS - 1) / PACK_ROWS, pack_rows, &j);
    phasor_pool_run(pool, j.panels * j.blocks, multiply, &j);
}
