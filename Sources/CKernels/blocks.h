#pragma once
#include <stddef.h>

// out[0..<count] = the values of whole blocks at any address, as float32.
void phasor_decode_q8_0(const void *in, float *out, size_t count);
void phasor_decode_q4_0(const void *in, float *out, size_t count);
void phasor_decode_q4_1(const void *in, float *out, size_t count);
void phasor_decode_q5_0(const void *in, float *out, size_t count);
void phasor_decode_q5_1(const void *in, float *out, size_t count);
void phasor_decode_q2_k(const void *in, float *out, size_t count);
void phasor_decode_q3_k(const void *in, float *out, size_t count);
void phasor_decode_q4_k(const void *in, float *out, size_t count);
void phasor_decode_q5_k(const void *in, float *out, size_t count);
void phasor_decode_q6_k(const void *in, float *out, size_t count);
void phasor_decode_iq1_s(const void *in, float *out, size_t count);
void phasor_decode_iq1_m(const void *in, float *out, size_t count);
void phasor_decode_iq2_xxs(const void *in, float *out, size_t count);
void phasor_decode_iq2_xs(const void *in, float *out, size_t count);
void phasor_decode_iq2_s(const void *in, float *out, size_t count);
void phasor_decode_iq3_xxs(const void *in, float *out, size_t count);
void phasor_decode_iq3_s(const void *in, float *out, size_t count);
void phasor_decode_iq4_nl(const void *in, float *out, size_t count);
void phasor_decode_iq4_xs(const void *in, float *out, size_t count);
void phasor_decode_mxfp4(const void *in, float *out, size_t count);
