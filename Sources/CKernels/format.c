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
    [PHASOR_F8_E5M2] = {1, 1, phasor_widen_f8_e5m2},
    [PHASOR_I8] = {1, 1, phasor_widen_i8},
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
    [PHASOR_IQ1_S] = {256, 50, phasor_decode_iq1_s},
    [PHASOR_IQ1_M] = {256, 56, phasor_decode_iq1_m},
    [PHASOR_IQ2_XXS] = {256, 66, phasor_decode_iq2_xxs},
    [PHASOR_IQ2_XS] = {256, 74, phasor_decode_iq2_xs},
    [PHASOR_IQ2_S] = {256, 82, phasor_decode_iq2_s},
    [PHASOR_IQ3_XXS] = {256, 98, phasor_decode_iq3_xxs},
    [PHASOR_IQ3_S] = {256, 110, phasor_decode_iq3_s},
    [PHASOR_IQ4_NL] = {32, 18, phasor_decode_iq4_nl},
    [PHASOR_IQ4_XS] = {256, 136, phasor_decode_iq4_xs},
    [PHASOR_MXFP4] = {32, 17, phasor_decode_mxfp4},
};

size_t phasor_format_elements(phasor_format format) { return formats[format].elements; }
size_t phasor_format_bytes(phasor_format format) { return formats[format].bytes; }

void phasor_decode(phasor_format format, const void *row, size_t first, size_t count, float *out) {
    const description *f = &formats[format];
    f->decode((const char *)row + first / f->elements * f->bytes, out, count);
}
