#pragma once
#include <stdint.h>
#include <string.h>

#include "isa.h"

// What a level may use. Functions are built for each level by their own attributes, never by compiler flags, so that the
// package builds anywhere and one binary runs everywhere.
#define PHASOR_AVX2 __attribute__((target("avx2,fma,f16c")))
#define PHASOR_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define PHASOR_AVX512_BF16 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define PHASOR_AVX512_VNNI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

#define PHASOR_AMX                                                                                          \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni,amx-tile," \
                          "amx-bf16,amx-int8")))
#define PHASOR_AVX_VNNI __attribute__((target("avx2,fma,f16c,avxvnni")))
#define PHASOR_NEON_BF16 __attribute__((target("arch=armv8.2-a+bf16")))
#define PHASOR_NEON_I8MM __attribute__((target("arch=armv8.2-a+i8mm")))

/// Defines `multiply` from `strip(tile, first, rows)`, which computes sixteen columns, built for each number of rows.
#define PHASOR_STRIPS(attributes, strip)                                      \
    attributes static void multiply(const phasor_tile *t) {                   \
        for (size_t j = 0; j < t->columns; j += ENGINE_LANES) switch (t->rows) { \
            case 1: strip(t, j, 1); break;                                    \
            case 2: strip(t, j, 2); break;                                    \
            case 3: strip(t, j, 3); break;                                    \
            case 4: strip(t, j, 4); break;                                    \
            case 5: strip(t, j, 5); break;                                    \
            default: strip(t, j, 6); break;                                   \
            }                                                                 \
    }

/// Defines `name` from the plain C in `name##_body`, built once for each level that the compiler vectorises it for.
#if defined(__x86_64__)
#define PHASOR_DISPATCH(name, parameters, arguments)                              \
    static void name##_plain parameters { name##_body arguments; }                \
    PHASOR_AVX2 static void name##_avx2 parameters { name##_body arguments; }     \
    PHASOR_AVX512 static void name##_avx512 parameters { name##_body arguments; } \
    void name parameters {                                                        \
        phasor_isa level = phasor_isa_level();                                    \
        if (level >= PHASOR_ISA_AVX512)                                           \
            name##_avx512 arguments;                                              \
        else if (level == PHASOR_ISA_AVX2)                                        \
            name##_avx2 arguments;                                                \
        else                                                                      \
            name##_plain arguments;                                               \
    }
#else
#define PHASOR_DISPATCH(name, parameters, arguments) \
    void name parameters { name##_body arguments; }
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

/// x P(X <= x) of a normal X: GELU as it is defined. The tail P(X > u) is e^(-u^2 / 2) times a polynomial in
/// 1 / (1 + 0.3 u), fitted for u in 0...9 with a relative error of 5e-8.
PHASOR_INLINE float phasor_gelu(float x) {
    float u = x < 0 ? -x : x;
    float t = 1.0f / (1.0f + 0.3f * u);
    float p = 0.037535872f;
    p = p * t + -0.16502039f;
    p = p * t + 0.21997266f;
    p = p * t + -0.06640404f;
    p = p * t + 0.13542104f;
    p = p * t + 0.09778365f;
    p = p * t + 0.12110575f;
    p = p * t + 0.11960549f;
    float tail = u * (p * t * phasor_exp(-0.5f * u * u));
    return x < 0 ? -tail : x - tail;
}

PHASOR_INLINE float phasor_quick_gelu(float x) { return x * phasor_sigmoid(1.702f * x); }

/// What is not a number stays so.
PHASOR_INLINE float phasor_relu(float x) { return x < 0 ? 0 : x; }

/// tanh(x) as 2 sigmoid(2x) - 1: within 1e-7 of it.
PHASOR_INLINE float phasor_tanh(float x) { return 2.0f * phasor_sigmoid(2.0f * x) - 1.0f; }
