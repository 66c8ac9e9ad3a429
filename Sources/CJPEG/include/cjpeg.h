#pragma once
#include <stddef.h>
#include <stdint.h>

// libjpeg reports errors by longjmp, which must not cross Swift frames: it stays within these functions.

/// Why a file was not read or written.
typedef enum { CJPEG_DONE, CJPEG_DAMAGED, CJPEG_TRUNCATED, CJPEG_OUT_OF_MEMORY } CJPEGStatus;

typedef struct {
    uint32_t width, height;
    /// Where the payload of the first Exif segment lies in the file, without "Exif\0\0"; a size of 0 for none.
    size_t exif_offset, exif_size;
} CJPEGHeader;

/// Room for libjpeg's longest message.
#define CJPEG_MESSAGE_SIZE 200

/// Reads what stands before the pixels; decodes nothing.
CJPEGStatus cjpeg_read_header(
    const uint8_t *file, size_t size, CJPEGHeader *header, char message[CJPEG_MESSAGE_SIZE]);

/// Reads the pixels of a JPEG file (baseline or progressive; grey, YCbCr, RGB, CMYK, YCCK) as RGB into `pixels`,
/// `[height, width, 3]`, not turned by its orientation. CMYK becomes RGB as `(255 - ink) (255 - black) / 255`, with
/// inks inverted first where an Adobe segment says whose convention it is.
///
/// `width` and `height` are those of the header, which the caller has room for: a file of other sides is
/// CJPEG_DAMAGED. So is a file of more than `scans` scans: each costs as much as a picture, however small it is.
///
/// libjpeg fills up what is missing in a file and calls that a warning; here it is CJPEG_TRUNCATED or CJPEG_DAMAGED.
CJPEGStatus cjpeg_read(
    const uint8_t *file, size_t size, uint32_t width, uint32_t height, int scans, uint8_t *pixels,
    char message[CJPEG_MESSAGE_SIZE]);

/// A baseline JPEG file of `width` x `height` RGB pixels (rows without padding) as YCbCr, with Huffman tables of its
/// own. `subsampled`: one chroma sample for each 2 x 2 pixels, otherwise for each pixel.
///
/// On success `*file` holds `*size` bytes and is the caller's to `free`.
CJPEGStatus cjpeg_write_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, int quality, int subsampled, uint8_t **file, size_t *size,
    char message[CJPEG_MESSAGE_SIZE]);

/// The version of the installed libjpeg-turbo, such as "2.1.5".
const char *cjpeg_version(void);
