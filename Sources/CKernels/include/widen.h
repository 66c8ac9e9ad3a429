#pragma once
#include <stddef.h>
#include <stdint.h>

/// out[i] = float(in[i]), exactly. Inputs need no alignment: they lie where a mapped file has them.
void phasor_widen_bf16(const void *in, float *out, size_t count);
void phasor_widen_f16(const void *in, float *out, size_t count);
void phasor_widen_f8_e4m3(const void *in, float *out, size_t count);
void phasor_widen_f8_e5m2(const void *in, float *out, size_t count);
void phasor_widen_i8(const void *in, float *out, size_t count);
void phasor_widen_f64(const void *in, float *out, size_t count);
