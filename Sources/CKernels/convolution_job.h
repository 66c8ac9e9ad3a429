#pragma once
#include "engine.h"
#include "include/convolution.h"
#include "winograd.h"

/// A convolution under way: one band of output rows after the other, each cut into items of work. An item is a group of panels
/// of 64 outputs times a block of places. Places are pixels of the band, and a group is one panel; or places are squares of
/// pixels (see winograd.c), and a group has as many panels as leave an item for everyone.
typedef struct {
    const phasor_convolution *work;
    const phasor_engine *engine;
    const winograd_form *form;  // NULL where taps are multiplied
    size_t items;             // wanted
    size_t bands, band_rows;  // output rows of a band
    size_t first, rows;       // output rows of the band at hand
    size_t height, width;     // of a packed frame of it
    size_t pixel_bytes;       // of a packed pixel
    size_t tap_bytes;         // of a tap in a panel's column
    size_t taps, block_taps, tap_steps;
    size_t panels, phase_panels;  // of all phases, and of one
    size_t side;              // outputs of all phases along the side of a place: 2, or 1 where there are none
    size_t places, blocks, block_places;
    size_t groups;                   // of panels, each an item with each block
    size_t square_columns, squares;  // of a band: in a row, and of a frame
    size_t pack_pixels;              // packed at a time
    size_t offset_bytes, worker_bytes;
    char *packed, *workers;
    size_t *offsets;  // [taps] from a pixel's first tap
} convolution_job;

/// Floats that a worker needs for a block of so many squares.
size_t winograd_worker_floats(const convolution_job *job, size_t squares);

/// Computes one item of work by squares.
void winograd_convolve(void *job, size_t item, int worker);
