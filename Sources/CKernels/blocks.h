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
