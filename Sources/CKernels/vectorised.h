#pragma once
#include <stdint.h>
#include <string.h>

/// Builds a function once for each instruction set level and picks one when the program starts. Inside one level
/// results depend on nothing but the inputs.
#if defined(__x86_64__) && defined(__linux__)
#define PHASOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PHASOR_CLONES
#endif

#define PHASOR_INLINE static inline __attribute__((always_inline))

/// e^x to 2 ulp, in a form that compilers vectorise: 2^n by the exponent bits, the rest by a polynomial on
/// [-ln 2 / 2, ln 2 / 2]. Below -87 the result is 0 within float32's normal range, above 88 it saturates.
PHASOR_INLINE float phasor_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = x * 1.44269504088896341f;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
    float magic = 12582912.0f;
    float shifted = n + magic;
    n = shifted - magic;
    float r = x - n * 0.693145751953125f;
    r = r - n * 1.42860682030941723e-6f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t exponent = (int32_t)n;
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}

PHASOR_INLINE float phasor_sigmoid(float x) { return 1.0f / (1.0f + phasor_exp(-x)); }

/// 0.5 x (1 + tanh(u)) with u = sqrt(2/pi) (x + 0.044715 x^3), written as x * sigmoid(2u).
PHASOR_INLINE float phasor_gelu_tanh(float x) {
    float u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
    return x * phasor_sigmoid(2.0f * u);
}
