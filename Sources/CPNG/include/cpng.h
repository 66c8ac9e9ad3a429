#pragma once
#include <png.h>
#include <stdint.h>

/// A PNG file of `width` x `height` RGB pixels of 8 bits (rows without padding), tagged sRGB.
///
/// On success returns 1; `*file` holds `*size` bytes and is the caller's to `free`. Otherwise returns 0 and libpng's
/// message, at most 63 bytes.
///
/// Compressed for generated pictures: every row has the Paeth filter, and zlib codes what the filter leaves by its
/// statistics alone (Z_HUFFMAN_ONLY): no runs, no search for repetitions. A generated picture has noise everywhere, so
/// a search costs time and makes no smaller file.
int cpng_write_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t **file, size_t *size, char message[64]);

/// Why a file was not read.
typedef enum { CPNG_READ, CPNG_DAMAGED, CPNG_TRUNCATED } CPNGStatus;

/// Reads the pixels of a PNG file of any colour type, depth and interlacing as 8-bit RGB (`channels` 3) or RGBA (4),
/// into `pixels`, `[height, width, channels]`. Samples of 16 bits are scaled and rounded; tRNS becomes alpha; pixels
/// without alpha are opaque.
///
/// `width` and `height` are what the caller found in the file and has room for: a file of other sides is
/// CPNG_DAMAGED. Chunks that pixels do not need are passed over unread, so none is inflated.
///
/// Returns CPNG_READ, or why not, with libpng's message of at most 63 bytes; `pixels` may then be written in part.
CPNGStatus cpng_read(
    const uint8_t *file, size_t size, uint32_t width, uint32_t height, int channels, uint8_t *pixels,
    char message[64]);
