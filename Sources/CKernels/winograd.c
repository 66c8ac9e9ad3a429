#include <string.h>

#include "convolution_job.h"
#include "levels.h"

// Convolutions of 3x3 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, arXiv 1509.09308): a square of 2x2 outputs reads
// 4x4 inputs, which sums and differences turn into sixteen frequencies. Each of them is multiplied by the same of the weights,
// as a product of matrices whose rows are squares, and sums and differences of the sixteen results are the four outputs:
// 16 multiplications where the taps take 36. In float32 the error is that of the taps. In bf16 and int8 it would not be, as
// the frequencies are rounded there.
//
// A panel holds, for each tap in time, the frequencies one after the other, each with its channels.
enum { CHANNELS = 512 };  // of a part of a panel: 128 KB, which stay in the second-level cache for a block of squares

/// A column of G: what three taps in a row are at four frequencies.
static void spread(const double *in, size_t apart, double *out, size_t out_apart) {
    double ends = in[0] + in[2 * apart];
    out[0] = in[0];
    out[out_apart] = (ends + in[apart]) / 2;
    out[2 * out_apart] = (ends - in[apart]) / 2;
    out[3 * out_apart] = in[2 * apart];
}

void phasor_winograd_weights(const float *weight, size_t count, float *out) {
    for (size_t i = 0; i < count; i++, weight += 9, out += WINOGRAD_FREQUENCIES) {
        double taps[9], half[12], whole[16];
        for (int tap = 0; tap < 9; tap++) taps[tap] = weight[tap];
        for (int x = 0; x < 3; x++) spread(taps + x, 3, half + x, 3);
        for (int y = 0; y < 4; y++) spread(half + 3 * y, 1, whole + 4 * y, 1);
        for (int f = 0; f < WINOGRAD_FREQUENCIES; f++) out[f] = (float)whole[f];
    }
}

/// out[f * apart + c] of one square, from 4x4 pixels of `channels` floats in rows `row` floats apart.
PHASOR_INLINE void phasor_winograd_forward_body(const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart) {
    for (size_t c = 0; c < channels; c++) {
        float half[4][4];
        for (int x = 0; x < 4; x++) {
            const float *column = in + x * channels + c;
            float a = column[0], b = column[row], d = column[2 * row], e = column[3 * row];
            half[0][x] = a - d;
            half[1][x] = b + d;
            half[2][x] = d - b;
            half[3][x] = b - e;
        }
        for (int y = 0; y < 4; y++) {
            const float *h = half[y];
            float *o = out + 4 * y * apart + c;
            o[0] = h[0] - h[2];
            o[apart] = h[1] + h[2];
            o[2 * apart] = h[2] - h[1];
            o[3 * apart] = h[1] - h[3];
        }
    }
}
PHASOR_DISPATCH(
    phasor_winograd_forward, (const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart),
    (in, row, channels, out, apart))

/// Two rows of two outputs of one square, `row` floats from row to row, from its sums of `columns` outputs, `apart` floats from
/// frequency to frequency.
PHASOR_INLINE void phasor_winograd_backward_body(const float *restrict in, size_t apart, size_t columns, float *restrict out, size_t row) {
    for (size_t c = 0; c < columns; c++) {
        float half[2][4];
        for (int x = 0; x < 4; x++) {
            const float *column = in + x * apart + c;
            float a = column[0], b = column[4 * apart], d = column[8 * apart], e = column[12 * apart];
            half[0][x] = a + b + d;
            half[1][x] = b - d - e;
        }
        for (int y = 0; y < 2; y++) {
            const float *h = half[y];
            out[y * row + c] = h[0] + h[1] + h[2];
            out[y * row + ENGINE_COLUMNS + c] = h[1] - h[2] - h[3];
        }
    }
}
PHASOR_DISPATCH(
    phasor_winograd_backward, (const float *restrict in, size_t apart, size_t columns, float *restrict out, size_t row),
    (in, apart, columns, out, row))

size_t winograd_worker_floats(size_t squares) { return squares * (WINOGRAD_FREQUENCIES + 4) * ENGINE_COLUMNS; }

void winograd_transform(void *context, size_t item, int worker) {
    const convolution_job *j = context;
    (void)worker;
    size_t square_rows = j->squares / j->square_columns, frame = item / square_rows, y = item % square_rows;
    size_t row = j->width * j->pixel_bytes / sizeof(float), apart = j->squares * j->square_bytes;
    const char *in = j->packed + (frame * j->height + 2 * y) * j->width * j->pixel_bytes;
    char *out = j->frequencies + frame * WINOGRAD_FREQUENCIES * apart + y * j->square_columns * j->square_bytes;
    for (size_t x = 0; x < j->square_columns; x++, in += 2 * j->pixel_bytes, out += j->square_bytes)
        phasor_winograd_forward((const float *)in, row, j->work->channels, (float *)out, apart / sizeof(float));
}

/// Makes outputs of the sums of squares start..<end.
static void store(const convolution_job *j, float *sums, size_t start, size_t end, size_t first, size_t columns) {
    const phasor_convolution *w = j->work;
    size_t apart = j->block_places * ENGINE_COLUMNS, row = 2 * j->block_places * ENGINE_COLUMNS;
    float *pixels = sums + WINOGRAD_FREQUENCIES * apart;
    for (size_t square = start, run; square < end; square += run) {
        size_t frame = square / j->squares, place = square % j->squares;
        size_t x = place % j->square_columns, y = place / j->square_columns * 2;
        run = end - square < j->square_columns - x ? end - square : j->square_columns - x;
        for (size_t i = 0; i < run; i++)
            phasor_winograd_backward(
                sums + (square - start + i) * ENGINE_COLUMNS, apart, columns, pixels + 2 * i * ENGINE_COLUMNS, row);
        size_t left = w->width_out - 2 * x, count = 2 * run < left ? 2 * run : left;
        for (size_t i = 0; i < 2 && y + i < j->rows; i++) {
            size_t output =
                ((frame * w->height_out + j->first + y + i) * w->width_out + 2 * x) * w->outputs + first;
            phasor_epilogue(
                pixels + i * row, ENGINE_COLUMNS, count, columns, w->bias ? w->bias + first : NULL, PHASOR_IDENTITY,
                w->residual ? w->residual + output : NULL, w->outputs, NULL, w->out + output, w->outputs);
        }
    }
}

void winograd_multiply(void *context, size_t item, int worker) {
    const convolution_job *j = context;
    const phasor_convolution *w = j->work;
    const phasor_engine *e = j->engine;
    size_t first = item % j->panels * ENGINE_COLUMNS, start = item / j->panels * j->block_places, none = 0;
    size_t columns = w->outputs - first < ENGINE_COLUMNS ? w->outputs - first : ENGINE_COLUMNS;
    size_t end = j->places - start < j->block_places ? j->places : start + j->block_places;
    size_t width = engine_width(columns), apart = j->squares * j->square_bytes;
    float *sums = (float *)(j->workers + (size_t)worker * j->worker_bytes);
    const char *panel = (const char *)w->panels
        + (first * w->packed_taps + w->first_tap * width) / 9 * WINOGRAD_FREQUENCIES * j->tap_bytes;
    phasor_tile tile = {.columns = width, .segments = 1, .offsets = &none, .stride = ENGINE_COLUMNS};
    for (size_t f = 0; f < WINOGRAD_FREQUENCIES; f++)
        for (size_t time = 0; time < w->kernel_time; time++)
            for (size_t c = 0; c < w->channels; c += CHANNELS) {
                size_t channels = w->channels - c < CHANNELS ? w->channels - c : CHANNELS, from = c * sizeof(float);
                tile.steps = engine_steps(e, channels);
                tile.last = engine_last(e, channels);
                tile.panel = panel + ((time * WINOGRAD_FREQUENCIES + f) * j->tap_bytes + from) * width;
                tile.accumulate = time > 0 || c > 0;
                for (size_t square = start; square < end; square += e->rows) {
                    tile.rows = end - square < e->rows ? end - square : e->rows;
                    for (size_t i = 0; i < tile.rows; i++) {
                        size_t frame = (square + i) / j->squares * w->stride_time + time;
                        tile.a[i] = j->frequencies + (frame * WINOGRAD_FREQUENCIES + f) * apart
                            + (square + i) % j->squares * j->square_bytes + from;
                    }
                    tile.c = sums + (f * j->block_places + square - start) * ENGINE_COLUMNS;
                    e->multiply(&tile);
                }
            }
    store(j, sums, start, end, first, columns);
}
