#include "winograd.h"

#include "convolution_job.h"

// Convolutions of 3x3 by Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308): sums and differences turn the inputs
// of a square of outputs into frequencies. Each of them is multiplied by the same of the weights, as a product of matrices
// whose rows are squares, and sums and differences of the results are the square's outputs: a square of 2x2 takes 16
// multiplications where the taps take 36, one of 4x4 takes 36 where they take 144. In float32 the error is about that of the
// taps (see winograd_forms.c). In bf16 and int8 it would not be, as the frequencies are rounded there.
//
// A panel holds, for each tap in time, the frequencies one after the other, each with its channels. A worker makes the frequencies
// of a block of squares, and multiplies them by one panel after the other: they do not leave its caches.
enum {
    CHANNELS = 512,  // of a part of a panel: 128 KB, which stay in the second-level cache for a block of squares
    PAGE = 4096
};

void phasor_winograd_weights(size_t outputs, const float *weight, size_t count, float *out) {
    const winograd_form *form = winograd_form_of(outputs);
    for (size_t i = 0; i < count; i++, weight += 9, out += form->frequencies) {
        double taps[9], whole[WINOGRAD_MOST_SIDE * WINOGRAD_MOST_SIDE];
        for (int tap = 0; tap < 9; tap++) taps[tap] = weight[tap];
        form->weights(taps, whole);
        for (size_t f = 0; f < form->frequencies; f++) out[f] = (float)whole[f];
    }
}

/// Floats from one frequency to the next of `count` floats: a page and a line apart, a square's do not share a set of the cache.
static size_t apart(size_t count) { return ((count * sizeof(float) + PAGE - 1) / PAGE * PAGE + 64) / sizeof(float); }

static size_t sums_apart(size_t squares) { return apart(squares * ENGINE_COLUMNS); }

static size_t inputs_apart(const phasor_convolution *w, size_t squares) { return apart(squares * w->channels); }

static size_t sums_floats(const convolution_job *j, size_t squares) {
    return j->form->frequencies * sums_apart(squares) + j->form->outputs * j->form->outputs * squares * ENGINE_COLUMNS;
}

size_t winograd_worker_floats(const convolution_job *j, size_t squares) {
    const phasor_convolution *w = j->work;
    return sums_floats(j, squares) + w->kernel_time * j->form->frequencies * inputs_apart(w, squares);
}

/// Makes the frequencies of squares start..<end of what is `time` frames into their windows.
static void transform(const convolution_job *j, float *out, size_t start, size_t end, size_t time) {
    const phasor_convolution *w = j->work;
    size_t row = j->width * w->channels, side = j->form->outputs, next = inputs_apart(w, j->block_places);
    for (size_t square = start; square < end; square++, out += w->channels) {
        size_t frame = square / j->squares * w->stride_time + time, place = square % j->squares;
        size_t y = frame * j->height + place / j->square_columns * side, x = place % j->square_columns * side;
        j->form->forward((const float *)j->packed + y * row + x * w->channels, row, w->channels, out, next);
    }
}

/// Makes outputs of the sums of squares start..<end.
static void store(const convolution_job *j, float *sums, size_t start, size_t end, size_t first, size_t columns) {
    const phasor_convolution *w = j->work;
    size_t side = j->form->outputs, next = sums_apart(j->block_places), row = side * j->block_places * ENGINE_COLUMNS;
    float *pixels = sums + j->form->frequencies * next;
    for (size_t square = start, run; square < end; square += run) {
        size_t frame = square / j->squares, place = square % j->squares;
        size_t x = place % j->square_columns, y = place / j->square_columns * side;
        run = end - square < j->square_columns - x ? end - square : j->square_columns - x;
        for (size_t i = 0; i < run; i++)
            j->form->backward(
                sums + (square - start + i) * ENGINE_COLUMNS, next, columns, pixels + side * i * ENGINE_COLUMNS, row);
        size_t left = w->width_out - side * x, count = side * run < left ? side * run : left;
        for (size_t i = 0; i < side && y + i < j->rows; i++) {
            size_t output =
                ((frame * w->height_out + j->first + y + i) * w->width_out + side * x) * w->outputs + first;
            phasor_epilogue(
                pixels + i * row, ENGINE_COLUMNS, count, columns, w->bias ? w->bias + first : NULL, PHASOR_IDENTITY,
                w->residual ? w->residual + output : NULL, w->outputs, NULL, w->out + output, w->outputs);
        }
    }
}

/// Multiplies the frequencies of squares start..<end by one panel, whose outputs begin with `first`.
static void multiply(const convolution_job *j, const float *inputs, float *sums, size_t start, size_t end, size_t first) {
    const phasor_convolution *w = j->work;
    const phasor_engine *e = j->engine;
    size_t columns = engine_width(w->outputs - first < ENGINE_COLUMNS ? w->outputs - first : ENGINE_COLUMNS);
    size_t frequencies = j->form->frequencies, next = inputs_apart(w, j->block_places), none = 0;
    const char *panel = (const char *)w->panels
        + (first * w->packed_taps + w->first_tap * columns) / 9 * frequencies * j->tap_bytes;
    phasor_tile tile = {.columns = columns, .segments = 1, .offsets = &none, .stride = ENGINE_COLUMNS};
    for (size_t f = 0; f < frequencies; f++)
        for (size_t time = 0; time < w->kernel_time; time++)
            for (size_t c = 0; c < w->channels; c += CHANNELS) {
                size_t channels = w->channels - c < CHANNELS ? w->channels - c : CHANNELS;
                const float *rows = inputs + (time * frequencies + f) * next + c;
                tile.steps = engine_steps(e, channels);
                tile.last = engine_last(e, channels);
                tile.panel = panel + ((time * frequencies + f) * j->tap_bytes + c * sizeof(float)) * columns;
                tile.accumulate = time > 0 || c > 0;
                for (size_t square = 0; square < end - start; square += e->rows) {
                    tile.rows = end - start - square < e->rows ? end - start - square : e->rows;
                    for (size_t i = 0; i < tile.rows; i++) tile.a[i] = (const char *)(rows + (square + i) * w->channels);
                    tile.c = sums + f * sums_apart(j->block_places) + square * ENGINE_COLUMNS;
                    e->multiply(&tile);
                }
            }
}

void winograd_convolve(void *context, size_t item, int worker) {
    const convolution_job *j = context;
    const phasor_convolution *w = j->work;
    size_t start = item / j->groups * j->block_places, group = item % j->groups;
    size_t end = j->places - start < j->block_places ? j->places : start + j->block_places;
    float *sums = (float *)(j->workers + (size_t)worker * j->worker_bytes), *inputs = sums + sums_floats(j, j->block_places);
    for (size_t time = 0; time < w->kernel_time; time++)
        transform(j, inputs + time * j->form->frequencies * inputs_apart(w, j->block_places), start, end, time);
    for (size_t panel = group * j->panels / j->groups; panel < (group + 1) * j->panels / j->groups; panel++) {
        size_t first = panel * ENGINE_COLUMNS;
        multiply(j, inputs, sums, start, end, first);
        store(j, sums, start, end, first, w->outputs - first < ENGINE_COLUMNS ? w->outputs - first : ENGINE_COLUMNS);
    }
}
