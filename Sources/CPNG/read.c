#include "cpng.h"

#include <string.h>

typedef struct {
    const uint8_t *bytes;
    size_t left;
    int hit_end;
    char *message;
} Input;

static void fail(png_structp png, png_const_charp text) {
    const Input *input = png_get_error_ptr(png);
    strncpy(input->message, text, 63);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void take(png_structp png, png_bytep bytes, size_t count) {
    Input *input = png_get_io_ptr(png);
    if (count > input->left) {
        input->hit_end = 1;
        png_error(png, "the file ends too early");
    }
    memcpy(bytes, input->bytes, count);
    input->bytes += count, input->left -= count;
}

// Apart from the caller, so that no variable of its own is live across setjmp.
static int read_picture(
    png_structp png, png_infop info, uint32_t width, uint32_t height, int channels, uint8_t *pixels) {
    if (setjmp(png_jmpbuf(png))) return 0;
    // -1: all chunks but IHDR, PLTE, tRNS, IDAT and IEND.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(png, width, height);
    png_read_info(png, info);
    if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height)
        png_error(png, "the header contradicts itself");
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    if (channels == 4)
        png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
    else
        png_set_strip_alpha(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const size_t row_bytes = (size_t)width * (size_t)channels;
    if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "the rows have an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t row = 0; row < height; row++) png_read_row(png, pixels + row * row_bytes, NULL);
    png_read_end(png, NULL);
    return 1;
}

CPNGStatus cpng_read(
    const uint8_t *file, size_t size, uint32_t width, uint32_t height, int channels, uint8_t *pixels,
    char message[64]) {
    memset(message, 0, 64);
    Input input = {file, size, 0, message};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input, fail, ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int is_read = 0;
    if (info) {
        png_set_read_fn(png, &input, take);
        is_read = read_picture(png, info, width, height, channels, pixels);
    } else {
        strcpy(message, "out of memory");
    }
    png_destroy_read_struct(&png, &info, NULL);
    return is_read ? CPNG_READ : input.hit_end ? CPNG_TRUNCATED : CPNG_DAMAGED;
}
