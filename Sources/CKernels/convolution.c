#include "convolution.h"

#include <string.h>

#include "engine.h"

// An implicit matrix product: output pixels are rows, taps times channels are K. The input is packed, enlarged and
// with its border of zeros, so that every tap of a pixel lies at a fixed distance from its first one and the kernel can
// walk over the taps in place: no row of taps is ever gathered. That is done band by band of output rows, while they are in
// the cache, so that a large picture is never there twice. Weights are packed once for all: a picture passes a few
// megabytes of them, and each of its blocks would pack them again.
enum {
    PIXEL_BLOCK = 1020,  // pixels that a part of a panel is used for while it is in the cache
    FEW_PIXELS = 96,     // the least of them
    ITEMS = 16,          // that a small picture is cut into, for threads to share, and
    THREAD_ITEMS = 4,    // that each of many threads should find
    K_BYTES = 2048,      // of K in a part of a panel's column, unless one tap has more
    PACK_VALUES = 4096,  // that are packed at a time, unless one pixel has more
    BAND_BYTES = 8 << 20,            // of packed input that a band should not exceed
    BAND_PIXELS = 4 * PIXEL_BLOCK    // the least output pixels of a band, for threads to share
};

typedef struct {
    const phasor_convolution *work;
    const phasor_engine *engine;
    size_t items;             // wanted
    size_t bands, band_rows;  // output rows of a band
    size_t first, rows;       // output rows of the band at hand
    size_t height, width;     // of a packed frame of it
    size_t pixel_bytes;    // of a packed pixel
    size_t taps, block_taps, tap_steps;
    size_t pixels, panels, blocks, block_pixels;
    size_t pack_pixels;  // packed at a time
    size_t offset_bytes, worker_bytes;
    char *packed, *workers;
    size_t *offsets;  // [taps] from a pixel's first tap
} job;

static size_t at_least(size_t a, size_t b) { return a > b ? a : b; }

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }

static size_t packed_pixel_bytes(const phasor_engine *e, size_t channels) {
    return engine_steps(e, channels) * e->step * e->element;
}

size_t phasor_convolution_panel_bytes(const phasor_engine *e, size_t outputs, size_t channels, size_t taps) {
    return engine_width(outputs) * taps * packed_pixel_bytes(e, channels);
}

// A panel for each 64 outputs, in it each tap's channels.
void phasor_convolution_pack(
    const phasor_engine *e, const float *weight, size_t outputs, size_t channels, size_t taps, float *buffer,
    void *panels) {
    char *panel = panels;
    for (size_t first = 0; first < outputs; first += ENGINE_COLUMNS) {
        size_t columns = outputs - first < ENGINE_COLUMNS ? outputs - first : ENGINE_COLUMNS, width = engine_width(columns);
        for (size_t tap = 0; tap < taps; tap++, panel += width * packed_pixel_bytes(e, channels)) {
            for (size_t c = 0; c < width; c += ENGINE_LANES) {
                size_t lanes = columns - c < ENGINE_LANES ? columns - c : ENGINE_LANES;
                for (size_t i = 0; i < lanes; i++)
                    for (size_t channel = 0; channel < channels; channel++)
                        buffer[i * channels + channel] = weight[((first + c + i) * channels + channel) * taps + tap];
                e->transpose(buffer, channels, lanes, channels, width, panel + c * e->step * e->element);
            }
        }
    }
}

static size_t frames(const phasor_convolution *w) { return w->frames_zero + w->frames_held + w->frames_in; }

/// Rows of packed input that some output rows read.
static size_t rows_read(const phasor_convolution *w, size_t rows) { return (rows - 1) * w->stride + w->kernel_height; }

/// Cuts the output rows from `first` on, a band or what is left of one, into blocks of pixels.
static void take_band(job *j, size_t first) {
    const phasor_convolution *w = j->work;
    j->first = first;
    j->rows = w->height_out - first < j->band_rows ? w->height_out - first : j->band_rows;
    j->height = rows_read(w, j->rows);
    j->pixels = w->frames_out * j->rows * w->width_out;
    j->blocks = at_least((j->pixels + PIXEL_BLOCK / 2) / PIXEL_BLOCK, 1);
    if (j->blocks * j->panels < j->items) {
        size_t blocks = (j->items + j->panels - 1) / j->panels, most = at_least(j->pixels / FEW_PIXELS, 1);
        j->blocks = at_least(j->blocks, blocks < most ? blocks : most);
    }
    size_t pixels = (j->pixels + j->blocks - 1) / j->blocks;
    size_t tile = j->engine->rows;
    j->block_pixels = at_least((pixels + tile - 1) / tile * tile, tile);
    j->blocks = (j->pixels + j->block_pixels - 1) / j->block_pixels;
}

static size_t band_bytes(const job *j) { return frames(j->work) * j->height * j->width * j->pixel_bytes; }

static job plan(const phasor_engine *e, const phasor_convolution *w, int threads) {
    job j = {.work = w, .engine = e, .items = at_least(ITEMS, THREAD_ITEMS * (size_t)threads)};
    // As far as taps reach, and at least what is written of the frame itself.
    j.width = at_least((w->width_out - 1) * w->stride + w->kernel_width, w->pad + w->width_in * w->upsample);
    j.tap_steps = engine_steps(e, w->channels);
    j.pixel_bytes = packed_pixel_bytes(e, w->channels);
    j.taps = w->kernel_time * w->kernel_height * w->kernel_width;
    j.block_taps = at_least(K_BYTES / j.pixel_bytes, 1);
    if (j.block_taps > j.taps) j.block_taps = j.taps;
    j.panels = (w->outputs + ENGINE_COLUMNS - 1) / ENGINE_COLUMNS;

    size_t row_bytes = at_least(frames(w) * j.width * j.pixel_bytes, 1), row_pixels = w->frames_out * w->width_out;
    size_t most = BAND_BYTES / row_bytes, halo = at_least(w->kernel_height, w->stride) - w->stride;
    j.band_rows = at_least(most > halo ? (most - halo) / w->stride : 0, (BAND_PIXELS + row_pixels - 1) / row_pixels);
    // Bands of about one size.
    j.bands = (w->height_out + j.band_rows - 1) / j.band_rows;
    j.band_rows = (w->height_out + j.bands - 1) / j.bands;
    j.bands = (w->height_out + j.band_rows - 1) / j.band_rows;

    take_band(&j, (j.bands - 1) * j.band_rows);
    size_t sums = j.block_pixels * ENGINE_COLUMNS;
    take_band(&j, 0);
    sums = at_least(sums, j.block_pixels * ENGINE_COLUMNS);
    j.pack_pixels = at_least(PACK_VALUES / at_least(w->channels, 1), 1);
    j.worker_bytes = (at_least(sums, j.pack_pixels * w->channels) * sizeof(float) + 63) / 64 * 64;
    j.offset_bytes = (j.taps * sizeof(size_t) + 63) / 64 * 64;
    return j;
}

size_t phasor_convolution_scratch(const phasor_engine *engine, const phasor_convolution *work, int threads) {
    if (work->frames_out * work->height_out * work->width_out == 0) return 0;
    job j = plan(engine, work, threads);
    return j.offset_bytes + (size_t)threads * j.worker_bytes + band_bytes(&j);
}

/// Packs one row of one frame.
static void pack(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_convolution *w = j->work;
    // Wraps above the frame: then it is not inside.
    size_t frame = item / j->height, y = j->first * w->stride + item % j->height - w->pad;
    char *row = j->packed + item * j->width * j->pixel_bytes;
    size_t up = w->upsample, inside = w->width_in * up;
    if (frame < w->frames_zero || y >= w->height_in * up) {
        memset(row, 0, j->width * j->pixel_bytes);
        return;
    }
    frame -= w->frames_zero;
    const float *in = frame < w->frames_held ? w->before : w->in;
    if (frame >= w->frames_held) frame -= w->frames_held;
    in += (frame * w->height_in + y / up) * w->width_in * w->channels;
    memset(row, 0, w->pad * j->pixel_bytes);
    char *target = row + w->pad * j->pixel_bytes;
    memset(target + inside * j->pixel_bytes, 0, (j->width - w->pad - inside) * j->pixel_bytes);
    float *normed = (float *)(j->workers + (size_t)worker * j->worker_bytes);
    bool whole = up == 1 && w->channels % j->engine->step == 0;
    for (size_t x = 0, pixels; x < w->width_in; x += pixels) {
        pixels = w->width_in - x < j->pack_pixels ? w->width_in - x : j->pack_pixels;
        const float *values = in + x * w->channels;
        if (w->scale) {
            phasor_scale_shift(values, normed, pixels, w->channels, w->scale, w->shift, w->activation);
            values = normed;
        }
        if (whole) {
            j->engine->pack(values, pixels * w->channels, 1, target);
            target += pixels * j->pixel_bytes;
            continue;
        }
        for (size_t i = 0; i < pixels; i++, values += w->channels) {
            char *first = target;
            j->engine->pack(values, w->channels, 1, first);
            target += j->pixel_bytes;
            for (size_t copy = 1; copy < up; copy++, target += j->pixel_bytes) memcpy(target, first, j->pixel_bytes);
        }
    }
}

static void convolve(void *context, size_t item, int worker) {
    const job *j = context;
    const phasor_convolution *w = j->work;
    size_t first = item % j->panels * ENGINE_COLUMNS, start = item / j->panels * j->block_pixels;
    size_t columns = w->outputs - first < ENGINE_COLUMNS ? w->outputs - first : ENGINE_COLUMNS;
    size_t end = j->pixels - start < j->block_pixels ? j->pixels : start + j->block_pixels;
    size_t frame_pixels = j->rows * w->width_out;
    float *sums = (float *)(j->workers + (size_t)worker * j->worker_bytes);
    const char *panel = (const char *)w->panels + first * w->packed_taps * j->pixel_bytes;
    for (size_t tap = 0; tap < j->taps; tap += j->block_taps) {
        size_t taps = j->taps - tap < j->block_taps ? j->taps - tap : j->block_taps;
        phasor_tile tile = {
            .columns = engine_width(columns), .segments = taps, .steps = j->tap_steps, .offsets = j->offsets + tap,
            .panel = panel + (w->first_tap + tap) * engine_width(columns) * j->pixel_bytes, .stride = ENGINE_COLUMNS,
            .accumulate = tap > 0};
        for (size_t pixel = start; pixel < end; pixel += tile.rows) {
            // Pixels of one frame, whose outputs are neighbours.
            size_t t = pixel / frame_pixels, place = pixel % frame_pixels;
            tile.rows = at_most(at_most(end - pixel, frame_pixels - place), j->engine->rows);
            for (size_t i = 0; i < tile.rows; i++) {
                size_t x = (place + i) % w->width_out, y = (place + i) / w->width_out;
                size_t corner = (t * w->stride_time * j->height + y * w->stride) * j->width + x * w->stride;
                tile.a[i] = j->packed + corner * j->pixel_bytes;
            }
            tile.c = sums + (pixel - start) * ENGINE_COLUMNS;
            j->engine->multiply(&tile);
            if (tap + taps < j->taps) continue;
            size_t output = ((t * w->height_out + j->first) * w->width_out + place) * w->outputs + first;
            phasor_epilogue(
                tile.c, ENGINE_COLUMNS, tile.rows, columns, w->bias ? w->bias + first : NULL, PHASOR_IDENTITY,
                w->residual ? w->residual + output : NULL, w->outputs, NULL, w->out + output, w->outputs);
        }
    }
}

void phasor_convolution_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_convolution *work, void *scratch) {
    if (work->frames_out * work->height_out * work->width_out == 0) return;
    job j = plan(engine, work, phasor_pool_threads(pool));
    j.offsets = scratch;
    j.workers = (char *)scratch + j.offset_bytes;
    j.packed = j.workers + (size_t)phasor_pool_threads(pool) * j.worker_bytes;
    size_t plane = work->kernel_height * work->kernel_width;
    for (size_t band = 0; band < j.bands; band++) {
        take_band(&j, band * j.band_rows);
        for (size_t tap = 0; tap < j.taps; tap++) {
            size_t time = tap / plane, y = tap % plane / work->kernel_width, x = tap % work->kernel_width;
            j.offsets[tap] = ((time * j.height + y) * j.width + x) * j.pixel_bytes;
        }
        phasor_pool_run(pool, frames(work) * j.height, pack, &j);
        phasor_pool_run(pool, j.panels * j.blocks, convolve, &j);
    }
}
