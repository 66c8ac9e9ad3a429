#pragma once
#include "engine.h"
#include "include/convolution.h"

/// A convolution under way: one band of output rows after the other, each cut into items of work. An item is a panel of 64
/// outputs times a block of places: pixels of the band, or squares of 2x2 of them (see winograd.c).
typedef struct {
    const phasor_convolution *work;
    const phasor_engine *engine;
    size_t items;             // wanted
    size_t bands, band_rows;  // output rows of a band
    size_t first, rows;       // output rows of the band at hand
    size_t height, width;     // of a packed frame of it
    size_t pixel_bytes;       // of a packed pixel
    size_t tap_bytes;         // of a tap in a panel's column
    size_t taps, block_taps, tap_steps;
    size_t panels;
    size_t places, blocks, block_places;
    size_t square_columns, squares;  // of a band: in a row, and of a frame
    size_t square_bytes;             // of one of a square's frequencies, the channels of which are a row of a product
    size_t pack_pixels;              // packed at a time
    size_t offset_bytes, worker_bytes;
    char *packed, *frequencies, *workers;
    size_t *offsets;  // [taps] from a pixel's first tap
} convolution_job;

enum {
    WINOGRAD_SIDE = 4,         // of what a square reads
    WINOGRAD_FREQUENCIES = 16  // that this becomes
};

/// Floats that a worker needs for a block of so many squares.
size_t winograd_worker_floats(size_t squares);

/// Transforms one row of squares of one packed frame: an item of work.
void winograd_transform(void *job, size_t item, int worker);

/// Multiplies and stores one item of work.
void winograd_multiply(void *job, size_t item, int worker);
