#include "convolution.h"

#include <string.h>

#include "convolution_job.h"

// An implicit matrix product: output pixels are rows, taps times channels are K. The input is packed, enlarged and
// with its border of zeros, so that every tap of a pixel lies at a fixed distance from its first one and the kernel can
// walk over the taps in place: no row of taps is ever gathered. That is done band by band of output rows, while they are in
// the cache, so that a large picture is never there twice. Weights are packed once for all: a picture passes a few
// megabytes of them, and each of its blocks would pack them again.
enum {
    PIXEL_BLOCK = 1020,  // pixels that a part of a panel is used for while it is in the cache
    FEW_PIXELS = 96,     // the least of them
    SQUARE_BYTES = 4 << 20,  // of the frequencies of a block of squares
    FEW_SQUARES = 12,
    ITEMS = 16,          // that a small picture is cut into, for threads to share, and
    THREAD_ITEMS = 4,    // that each of many threads should find
    K_BYTES = 2048,      // of K in a part of a panel's column, unless one tap has more
    PACK_VALUES = 4096,  // that are packed at a time, unless one pixel has more
    BAND_BYTES = 8 << 20,            // of packed input that a band should not exceed
    BAND_PIXELS = 4 * PIXEL_BLOCK    // the least output pixels of a band, for threads to share
};

static size_t at_least(size_t a, size_t b) { return a > b ? a : b; }

static size_t at_most(size_t a, size_t b) { return a < b ? a : b; }

static size_t packed_tap_bytes(const phasor_engine *e, size_t channels) {
    return engine_steps(e, channels) * engine_step_bytes(e);
}

size_t phasor_convolution_panel_bytes(const phasor_engine *e, size_t outputs, size_t channels, size_t taps) {
    return engine_width(outputs) * taps * packed_tap_bytes(e, channels);
}

// A panel for each 64 outputs, in it each tap's channels.
void phasor_convolution_pack(
    const phasor_engine *e, const float *weight, size_t outputs, size_t channels, size_t taps, float *buffer,
    void *panels) {
    char *panel = panels;
    for (size_t first = 0; first < outputs; first += ENGINE_COLUMNS) {
        size_t columns = outputs - first < ENGINE_COLUMNS ? outputs - first : ENGINE_COLUMNS, width = engine_width(columns);
        for (size_t tap = 0; tap < taps; tap++, panel += width * packed_tap_bytes(e, channels)) {
            for (size_t c = 0; c < width; c += ENGINE_LANES) {
                size_t lanes = columns - c < ENGINE_LANES ? columns - c : ENGINE_LANES;
                for (size_t i = 0; i < lanes; i++)
                    for (size_t channel = 0; channel < channels; channel++)
                        buffer[i * channels + channel] = weight[((first + c + i) * channels + channel) * taps + tap];
                e->transpose(buffer, channels, lanes, channels, width, panel + c * engine_step_bytes(e));
            }
        }
    }
}

void phasor_phase_weights(size_t phase, const float *weight, size_t count, float *out) {
    memset(out, 0, count * 4 * sizeof(float));
    for (size_t i = 0; i < count; i++, weight += 9, out += 4)
        for (size_t tap = 0; tap < 9; tap++) {
            size_t y = (tap / 3 + 1 - phase / 2) / 2, x = (tap % 3 + 1 - phase % 2) / 2;
            out[y * 2 + x] += weight[tap];
        }
}

/// The work as its phases see it: a place is a pixel of the input, which is not enlarged.
static phasor_convolution of_places(const phasor_convolution *work) {
    phasor_convolution w = *work;
    if (!w.by_phases) return w;
    w.upsample = 1;
    w.height_out /= 2;
    w.width_out /= 2;
    w.kernel_height = w.kernel_width = 2;
    w.first_tap = w.first_tap / 9 * 4;
    w.packed_taps = w.packed_taps / 9 * 4;
    return w;
}

static size_t frames(const phasor_convolution *w) { return w->frames_zero + w->frames_held + w->frames_in; }

/// Squares along so many outputs.
static size_t squares(const convolution_job *j, size_t outputs) { return (outputs + j->form->outputs - 1) / j->form->outputs; }

/// Rows of packed input that some output rows read.
static size_t rows_read(const convolution_job *j, size_t rows) {
    if (j->form) return squares(j, rows) * j->form->outputs + 2;
    return (rows - 1) * j->work->stride + j->work->kernel_height + j->side - 1;
}

static size_t square_block(const convolution_job *j) {
    size_t bytes = j->work->kernel_time * j->form->frequencies * j->tap_bytes;
    return at_most(j->form->block, at_least(SQUARE_BYTES / at_least(bytes, 1), FEW_SQUARES));
}

/// Cuts the output rows from `first` on, a band or what is left of one, into blocks of places.
static void take_band(convolution_job *j, size_t first) {
    const phasor_convolution *w = j->work;
    j->first = first;
    j->rows = w->height_out - first < j->band_rows ? w->height_out - first : j->band_rows;
    j->height = rows_read(j, j->rows);
    if (j->form) j->squares = squares(j, j->rows) * j->square_columns;
    j->places = w->frames_out * (j->form ? j->squares : j->rows * w->width_out);
    size_t block = j->form ? square_block(j) : PIXEL_BLOCK, few = j->form ? FEW_SQUARES : FEW_PIXELS;
    j->blocks = at_least((j->places + block / 2) / block, 1);
    // A small picture: squares share their weights as long as they can.
    j->groups = j->form ? at_most((j->items + j->blocks - 1) / j->blocks, j->panels) : j->panels;
    if (j->blocks * j->groups < j->items) {
        size_t blocks = (j->items + j->groups - 1) / j->groups;
        j->blocks = at_least(j->blocks, at_most(blocks, at_least(j->places / few, 1)));
    }
    size_t places = (j->places + j->blocks - 1) / j->blocks;
    size_t tile = j->engine->rows;
    j->block_places = at_least((places + tile - 1) / tile * tile, tile);
    j->blocks = (j->places + j->block_places - 1) / j->block_places;
}

static size_t packed_bytes(const convolution_job *j) {
    return (frames(j->work) * j->height * j->width * j->pixel_bytes + 63) / 64 * 64;
}

/// Output rows of a band.
static size_t rows_of_bands(const convolution_job *j) {
    const phasor_convolution *w = j->work;
    size_t row_pixels = w->frames_out * w->width_out, halo = at_least(w->kernel_height, w->stride) - w->stride, rows;
    size_t most = BAND_BYTES / at_least(frames(w) * j->width * j->pixel_bytes, 1);
    rows = most > halo ? (most - halo) / w->stride : 0;
    if (j->form) {
        size_t row_squares = w->frames_out * j->square_columns;
        rows = at_least(rows, j->form->outputs * ((j->items * square_block(j) + row_squares - 1) / row_squares));
    } else {
        rows = at_least(rows, (BAND_PIXELS + row_pixels - 1) / row_pixels);
    }
    // Bands of about one size, of whole squares.
    size_t bands = (w->height_out + rows - 1) / rows;
    rows = (w->height_out + bands - 1) / bands;
    return j->form ? squares(j, rows) * j->form->outputs : rows;
}

static convolution_job plan(const phasor_engine *e, const phasor_convolution *w, int threads) {
    convolution_job j = {.work = w, .engine = e, .items = at_least(ITEMS, THREAD_ITEMS * (size_t)threads)};
    j.form = winograd_form_of(w->winograd);
    if (j.form) j.square_columns = squares(&j, w->width_out);
    j.side = w->by_phases ? 2 : 1;
    // As far as taps reach, and at least what is written of the frame itself.
    size_t reach = (w->width_out - 1) * w->stride + w->kernel_width + j.side - 1;
    if (j.form) reach = j.square_columns * j.form->outputs + 2;
    j.width = at_least(reach, w->pad + w->width_in * w->upsample);
    j.tap_steps = engine_steps(e, w->channels);
    j.pixel_bytes = j.tap_steps * engine_row_step_bytes(e);
    j.tap_bytes = packed_tap_bytes(e, w->channels);
    j.taps = w->kernel_time * w->kernel_height * w->kernel_width;
    j.block_taps = at_least(K_BYTES / j.tap_bytes, 1);
    if (j.block_taps > j.taps) j.block_taps = j.taps;
    j.phase_panels = (w->outputs + ENGINE_COLUMNS - 1) / ENGINE_COLUMNS;
    j.panels = j.side * j.side * j.phase_panels;
    j.band_rows = rows_of_bands(&j);
    j.bands = (w->height_out + j.band_rows - 1) / j.band_rows;

    take_band(&j, (j.bands - 1) * j.band_rows);
    size_t places = j.block_places;
    take_band(&j, 0);
    places = at_least(places, j.block_places);
    j.pack_pixels = at_least(PACK_VALUES / at_least(w->channels, 1), 1);
    size_t sums = j.form ? winograd_worker_floats(&j, places) : places * ENGINE_COLUMNS;
    j.worker_bytes = (at_least(sums, j.pack_pixels * w->channels) * sizeof(float) + 63) / 64 * 64;
    j.offset_bytes = (j.taps * sizeof(size_t) + 63) / 64 * 64;
    return j;
}

const phasor_engine *phasor_engine_of_squares(const phasor_engine *engine) {
#if defined(__x86_64__)
    if (engine == &phasor_engine_avx512_bf16) return &phasor_engine_avx512;
#endif
    return engine->step == 1 ? engine : NULL;
}

size_t phasor_convolution_scratch(const phasor_engine *engine, const phasor_convolution *work, int threads) {
    if (work->frames_out * work->height_out * work->width_out == 0) return 0;
    phasor_convolution places = of_places(work);
    convolution_job j = plan(engine, &places, threads);
    return j.offset_bytes + (size_t)threads * j.worker_bytes + packed_bytes(&j);
}

/// Packs one row of one frame.
static void pack(void *context, size_t item, int worker) {
    const convolution_job *j = context;
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
    const convolution_job *j = context;
    const phasor_convolution *w = j->work;
    size_t phase = item % j->panels / j->phase_panels, down = phase / j->side, right = phase % j->side;
    size_t first = item % j->phase_panels * ENGINE_COLUMNS, start = item / j->panels * j->block_places;
    size_t columns = w->outputs - first < ENGINE_COLUMNS ? w->outputs - first : ENGINE_COLUMNS;
    size_t end = j->places - start < j->block_places ? j->places : start + j->block_places;
    size_t frame_pixels = j->rows * w->width_out;
    float *sums = (float *)(j->workers + (size_t)worker * j->worker_bytes);
    const char *panel = (const char *)w->panels
        + (phase * engine_width(w->outputs) + first) * w->packed_taps * j->tap_bytes;
    for (size_t tap = 0; tap < j->taps; tap += j->block_taps) {
        size_t taps = j->taps - tap < j->block_taps ? j->taps - tap : j->block_taps;
        phasor_tile tile = {
            .columns = engine_width(columns), .segments = taps, .steps = j->tap_steps,
            .last = engine_last(j->engine, w->channels), .offsets = j->offsets + tap,
            .panel = panel + (w->first_tap + tap) * engine_width(columns) * j->tap_bytes, .stride = ENGINE_COLUMNS,
            .accumulate = tap > 0};
        for (size_t pixel = start; pixel < end; pixel += tile.rows) {
            // Pixels of one frame, whose outputs are neighbours.
            size_t t = pixel / frame_pixels, place = pixel % frame_pixels;
            tile.rows = at_most(at_most(end - pixel, frame_pixels - place), j->engine->rows);
            for (size_t i = 0; i < tile.rows; i++) {
                size_t x = (place + i) % w->width_out, y = (place + i) / w->width_out;
                size_t corner =
                    (t * w->stride_time * j->height + y * w->stride + down) * j->width + x * w->stride + right;
                tile.a[i] = j->packed + corner * j->pixel_bytes;
            }
            tile.c = sums + (pixel - start) * ENGINE_COLUMNS;
            j->engine->multiply(&tile);
            if (tap + taps < j->taps) continue;
            // Outputs of one phase are neighbours in a row alone.
            for (size_t i = 0, run; i < tile.rows; i += run) {
                size_t x = (place + i) % w->width_out, y = t * w->height_out + j->first + (place + i) / w->width_out;
                run = j->side == 1 ? tile.rows : at_most(tile.rows - i, w->width_out - x);
                size_t pixel_out = ((y * j->side + down) * w->width_out + x) * j->side + right;
                size_t output = pixel_out * w->outputs + first, next = j->side * w->outputs;
                phasor_epilogue(
                    tile.c + i * ENGINE_COLUMNS, ENGINE_COLUMNS, run, columns, w->bias ? w->bias + first : NULL,
                    PHASOR_IDENTITY, w->residual ? w->residual + output : NULL, next, NULL, w->out + output, next);
            }
        }
    }
}

void phasor_convolution_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_convolution *work, void *scratch) {
    if (work->frames_out * work->height_out * work->width_out == 0) return;
    phasor_convolution places = of_places(work);
    work = &places;
    convolution_job j = plan(engine, work, phasor_pool_threads(pool));
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
        phasor_pool_run(pool, j.groups * j.blocks, j.form ? winograd_convolve : convolve, &j);
    }
}
