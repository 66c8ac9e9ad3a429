#pragma once
#include <immintrin.h>

#include "int8.h"

/// c[0..<8] (+)= sums of a step times the scales of its row and of its eight columns: what the int8 engines with vectors of 256 bits
/// share.
PHASOR_AVX2 PHASOR_INLINE void int8_add_scaled(
    __m256i sums, const char *row, const float *scales, bool continues, float *c) {
    __m256 both = _mm256_mul_ps(_mm256_set1_ps(*(const float *)row), _mm256_load_ps(scales));
    __m256 before = continues ? _mm256_loadu_ps(c) : _mm256_setzero_ps();
    _mm256_storeu_ps(c, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), both, before));
}
