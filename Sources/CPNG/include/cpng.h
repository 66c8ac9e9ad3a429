#pragma once
#include <png.h>
#include <stdint.h>

/// A PNG file of `width` x `height` RGB pixels of 8 bits (rows without padding), tagged sRGB.
///
/// On success returns 1; `*file` holds `*size` bytes and is the caller's to `free`. Otherwise returns 0 and libpng's
/// message, at most 63 bytes.
///
/// Compressed for generated pictures: libpng picks each row's filter, and zlib codes runs and literals only (Z_RLE).
/// What the filters leave of a picture has few repeats worth a search: a default-level file is 6 times as dear and
/// no smaller.
int cpng_write_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t **file, size_t *size, char message[64]);
