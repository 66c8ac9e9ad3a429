#include "failure.h"

#include <jerror.h>
#include <stdlib.h>

typedef struct {
    struct jpeg_destination_mgr manager;
    uint8_t *bytes;
    size_t capacity;
} Target;

static void nothing(j_compress_ptr info) { (void)info; }

// libjpeg calls it when the buffer is full, whatever it has left in `free_in_buffer`.
static boolean grow(j_compress_ptr info) {
    Target *target = (Target *)info->dest;
    uint8_t *larger = realloc(target->bytes, 2 * target->capacity);
    if (!larger) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    target->bytes = larger;
    target->manager.next_output_byte = larger + target->capacity;
    target->manager.free_in_buffer = target->capacity;
    target->capacity *= 2;
    return TRUE;
}

static void write_picture(
    j_compress_ptr info, const uint8_t *pixels, uint32_t width, uint32_t height, int quality, int subsampled) {
    info->image_width = width, info->image_height = height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    info->optimize_coding = TRUE;
    // The exact integer transform: the same on every processor.
    info->dct_method = JDCT_ISLOW;
    info->comp_info[0].h_samp_factor = info->comp_info[0].v_samp_factor = subsampled ? 2 : 1;
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < height) {
        // libjpeg does not write to its rows.
        JSAMPROW row = (JSAMPROW)pixels + (size_t)info->next_scanline * width * 3;
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

// What calls setjmp has no variables that change after it.
static int try_write(
    j_compress_ptr info, Failure *failure, Target *target, const uint8_t *pixels, uint32_t width, uint32_t height,
    int quality, int subsampled) {
    if (setjmp(failure->back)) return 0;
    jpeg_create_compress(info);
    info->dest = &target->manager;
    write_picture(info, pixels, width, height, quality, subsampled);
    return 1;
}

CJPEGStatus cjpeg_write_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, int quality, int subsampled, uint8_t **file, size_t *size,
    char message[CJPEG_MESSAGE_SIZE]) {
    struct jpeg_compress_struct info = {0};
    Failure failure;
    info.err = failure_init(&failure, message);
    Target target = {.bytes = malloc(65536), .capacity = 65536};
    if (!target.bytes) return CJPEG_OUT_OF_MEMORY;
    target.manager.next_output_byte = target.bytes;
    target.manager.free_in_buffer = target.capacity;
    target.manager.init_destination = nothing;
    target.manager.empty_output_buffer = grow;
    target.manager.term_destination = nothing;
    const int is_done = try_write(&info, &failure, &target, pixels, width, height, quality, subsampled);
    jpeg_destroy_compress(&info);
    if (!is_done) {
        free(target.bytes);
        return failure.status;
    }
    *file = target.bytes, *size = target.capacity - target.manager.free_in_buffer;
    return CJPEG_DONE;
}

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

const char *cjpeg_version(void) {
#ifdef LIBJPEG_TURBO_VERSION
    return TEXT(LIBJPEG_TURBO_VERSION);
#else
    return TEXT(JPEG_LIB_VERSION);
#endif
}
