#include "cpng.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct {
    uint8_t *bytes;
    size_t size, capacity;
    char *message;
} Output;

static void fail(png_structp png, png_const_charp text) {
    const Output *output = png_get_error_ptr(png);
    strncpy(output->message, text, 63);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void append(png_structp png, png_bytep bytes, size_t count) {
    Output *output = png_get_io_ptr(png);
    if (count > output->capacity - output->size) {
        size_t capacity = 2 * output->capacity + count;
        uint8_t *larger = realloc(output->bytes, capacity);
        if (!larger) png_error(png, "out of memory");
        output->bytes = larger, output->capacity = capacity;
    }
    memcpy(output->bytes + output->size, bytes, count);
    output->size += count;
}

static void flush(png_structp png) { (void)png; }

// Apart from the caller, so that no variable of its own is live across setjmp.
static int write_picture(png_structp png, png_infop info, const uint8_t *pixels, uint32_t width, uint32_t height) {
    if (setjmp(png_jmpbuf(png))) return 0;
    png_set_IHDR(
        png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    // A decoded picture has noise everywhere, even where it looks plain: what is left after the best filter hardly repeats
    // itself, and no search for repetitions makes a file smaller than its statistics do.
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_PAETH);
    png_set_compression_strategy(png, Z_HUFFMAN_ONLY);
    png_write_info(png, info);
    for (uint32_t row = 0; row < height; row++) png_write_row(png, pixels + (size_t)row * width * 3);
    png_write_end(png, info);
    return 1;
}

int cpng_write_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t **file, size_t *size, char message[64]) {
    memset(message, 0, 64);
    Output output = {NULL, 0, 0, message};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &output, fail, ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int written = 0;
    if (info) {
        png_set_write_fn(png, &output, append, flush);
        written = write_picture(png, info, pixels, width, height);
    } else {
        strcpy(message, "out of memory");
    }
    png_destroy_write_struct(&png, &info);
    if (!written) {
        free(output.bytes);
        return 0;
    }
    *file = output.bytes, *size = output.size;
    return 1;
}
