#include "format.h"

#include <string.h>

#include "blocks.h"
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
    [PHASOR_F8_E4M3] = {1, 1, phasor_widen_f8_e4m3},
    [PHASOR_Q8_0] = {32, 34, phasor_decode_q8_0},
    [PHASOR_Q4_0] = {32, 18, phasor_decode_q4_0},
    [PHASOR_Q4_1] = {32, 20, phasor_decode_q4_1},
    [PHASOR_Q5_0] = {32, 22, phasor_decode_q5_0},
    [PHASOR_Q5_1] = {32, 24, phasor_decode_q5_1},
    [PHASOR_Q2_K] = {256, 84, phasor_decode_q2_k},
    [PHASOR_Q3_K] = {256, 110, phasor_decode_q3_k},
    [PHASOR_Q4_K] = {256, 144, phasor_decode_q4_k},
    [PHASOR_Q5_K] = {256, 176, phasor_decode_q5_k},
    [PHASOR_Q6_K] = {256, 210, phasor_decode_q6_k},
};

size_t phasor_format_elements(phasor_format format) { return formats[format].elements; }
size_t phasor_format_bytes(phasor_format format) { return formats[format].bytes; }

void phasor_decode(phasor_format format, const void *row, size_t first, size_t count, float *out) {
    const description *f = &formats[format];
    f->decode((const char *)row + first / f->elements * f->bytes, out, count);
}
