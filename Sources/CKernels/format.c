#include "format.h"

#include <string.h>

#include "widen.h"

typedef struct {
    size_t elements, bytes;
    void (*decode)(const void *in, float *out, size_t count);
} description;

static void copy(const void *in, float *out, size_t count) { memcpy(out, in, count * sizeof(float)); }

static const description formats[] = {
    [PHASOR_F32] = {1, 4, copy},
    [PHASOR_F16] = {1, 2, phasor_widen_f16},
    [PHASOR_BF16] = {1, 2, phasor_widen_bf16},
};

size_t phasor_format_elements(phasor_format format) { return formats[format].elements; }
size_t phasor_format_bytes(phasor_format format) { return formats[format].bytes; }

void phasor_decode(phasor_format format, const void *row, size_t first, size_t count, float *out) {
    const description *f = &formats[format];
    f->decode((const char *)row + first / f->elements * f->bytes, out, count);
}
