#include "failure.h"

#include <jerror.h>
#include <string.h>

typedef struct {
    struct jpeg_source_mgr manager;
    const uint8_t *file;
    int hit_end;
    size_t exif_offset, exif_size;
} Source;

typedef struct {
    struct jpeg_progress_mgr manager;
    int scans;
} Progress;

static void nothing(j_decompress_ptr info) { (void)info; }

// libjpeg asks for more ahead of its need; at the end it gets an end-of-image marker, and whoever needs data meets it.
static boolean fill(j_decompress_ptr info) {
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    ((Source *)info->src)->hit_end = 1;
    info->src->next_input_byte = end;
    info->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if ((size_t)count > info->src->bytes_in_buffer) {
        ((Source *)info->src)->hit_end = 1;
        failure_raise((j_common_ptr)info, CJPEG_TRUNCATED, "a segment is longer than the file");
    }
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

// An APP1 segment; its length, which counts itself, comes next.
static boolean note_exif(j_decompress_ptr info) {
    Source *source = (Source *)info->src;
    struct jpeg_source_mgr *manager = &source->manager;
    const size_t left = manager->bytes_in_buffer;
    const size_t length = left < 2 ? 0 : (size_t)manager->next_input_byte[0] << 8 | manager->next_input_byte[1];
    if (left < 2 || length > left || source->hit_end)
        failure_raise((j_common_ptr)info, CJPEG_TRUNCATED, "a segment is longer than the file");
    if (length < 2) ERREXIT(info, JERR_BAD_LENGTH);
    const JOCTET *payload = manager->next_input_byte + 2;
    if (!source->exif_size && length > 8 && !memcmp(payload, "Exif\0\0", 6)) {
        source->exif_offset = (size_t)(payload + 6 - source->file);
        source->exif_size = length - 8;
    }
    manager->next_input_byte += length;
    manager->bytes_in_buffer -= length;
    return TRUE;
}

// Level -1 is a warning: libjpeg has made something up. Those that tell of lost data end the work.
static void weigh(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
        if (((Source *)((j_decompress_ptr)info)->src)->hit_end)
            failure_raise(info, CJPEG_TRUNCATED, "the file ends too early");
        info->err->error_exit(info);
        break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_JPEG_EOF:
        info->err->error_exit(info);
    }
}

static void count_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > ((Progress *)info->progress)->scans)
        failure_raise(info, CJPEG_DAMAGED, "it has too many scans");
}

static uint8_t product(unsigned a, unsigned b) {
    const unsigned scaled = a * b + 128;
    return (uint8_t)((scaled + (scaled >> 8)) >> 8);
}

/// `inverted`: 255 is no ink.
static void cmyk_to_rgb(const JSAMPLE *cmyk, uint32_t width, int inverted, uint8_t *rgb) {
    const unsigned flip = inverted ? 0 : 255;
    for (uint32_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        // `paper - ink * paper` rounds as Pillow does; `(1 - ink) * paper` would not.
        const unsigned paper = cmyk[3] ^ flip;
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(paper - product((cmyk[c] ^ flip) ^ 255, paper));
    }
}

static void attach(j_decompress_ptr info, Source *source, const uint8_t *file, size_t size) {
    source->file = file;
    source->manager.next_input_byte = file;
    source->manager.bytes_in_buffer = size;
    source->manager.init_source = nothing;
    source->manager.fill_input_buffer = fill;
    source->manager.skip_input_data = skip;
    source->manager.resync_to_restart = jpeg_resync_to_restart;
    source->manager.term_source = nothing;
    info->src = &source->manager;
    info->err->emit_message = weigh;
}

static void check_end(j_decompress_ptr info) {
    if (((Source *)info->src)->hit_end)
        failure_raise((j_common_ptr)info, CJPEG_TRUNCATED, "the file ends too early");
}

static void start(j_decompress_ptr info, Source *source, const uint8_t *file, size_t size) {
    jpeg_create_decompress(info);
    attach(info, source, file, size);
    jpeg_set_marker_processor(info, JPEG_APP0 + 1, note_exif);
    jpeg_read_header(info, TRUE);
    check_end(info);
}

static void read_pixels(j_decompress_ptr info, uint8_t *pixels) {
    const int inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(info);
    const size_t row_bytes = (size_t)info->output_width * 3;
    JSAMPARRAY inked =
        inks ? info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1) : NULL;
    while (info->output_scanline < info->output_height) {
        uint8_t *row = pixels + info->output_scanline * row_bytes;
        jpeg_read_scanlines(info, inks ? inked : &row, 1);
        if (inks) cmyk_to_rgb(inked[0], info->output_width, info->saw_Adobe_marker, row);
    }
    jpeg_finish_decompress(info);
    check_end(info);
}

// What calls setjmp has no variables that change after it.
static int try_header(
    j_decompress_ptr info, Failure *failure, Source *source, const uint8_t *file, size_t size, CJPEGHeader *header) {
    if (setjmp(failure->back)) return 0;
    start(info, source, file, size);
    header->width = info->image_width, header->height = info->image_height;
    header->exif_offset = source->exif_offset, header->exif_size = source->exif_size;
    return 1;
}

static int try_pixels(
    j_decompress_ptr info, Failure *failure, Source *source, const uint8_t *file, size_t size, uint32_t width,
    uint32_t height, struct jpeg_progress_mgr *progress, uint8_t *pixels) {
    if (setjmp(failure->back)) return 0;
    start(info, source, file, size);
    info->progress = progress;
    if (info->image_width != width || info->image_height != height)
        failure_raise((j_common_ptr)info, CJPEG_DAMAGED, "the header contradicts itself");
    read_pixels(info, pixels);
    return 1;
}

// Where data is missing libjpeg meets the end-of-image marker of `fill` and may call that by another name.
static CJPEGStatus status(int is_done, const Failure *failure, const Source *source) {
    if (is_done) return CJPEG_DONE;
    return source->hit_end && failure->status == CJPEG_DAMAGED ? CJPEG_TRUNCATED : failure->status;
}

CJPEGStatus cjpeg_read_header(
    const uint8_t *file, size_t size, CJPEGHeader *header, char message[CJPEG_MESSAGE_SIZE]) {
    struct jpeg_decompress_struct info = {0};
    Source source = {0};
    Failure failure;
    info.err = failure_init(&failure, message);
    const int is_done = try_header(&info, &failure, &source, file, size, header);
    jpeg_destroy_decompress(&info);
    return status(is_done, &failure, &source);
}

CJPEGStatus cjpeg_read(
    const uint8_t *file, size_t size, uint32_t width, uint32_t height, int scans, uint8_t *pixels,
    char message[CJPEG_MESSAGE_SIZE]) {
    struct jpeg_decompress_struct info = {0};
    Source source = {0};
    Failure failure;
    Progress progress = {.scans = scans, .manager.progress_monitor = count_scans};
    info.err = failure_init(&failure, message);
    const int is_done =
        try_pixels(&info, &failure, &source, file, size, width, height, &progress.manager, pixels);
    jpeg_destroy_decompress(&info);
    return status(is_done, &failure, &source);
}
