#include "peak.h"

#include <stdint.h>

#include "engine.h"
#include "levels.h"

enum { LANES = 4, CHAINS = 12 };  // independent sums: more than latency times throughput on any processor so far

#if defined(__x86_64__)
#include <immintrin.h>

PHASOR_AVX2 static double multiply_avx2(size_t rounds) {
    __m256 sum[CHAINS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.5f);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm256_fmadd_ps(sum[i], a, b);
            __asm__ volatile("" : "+x"(sum[i]));  // kept: nobody reads the result
        }
    return (double)rounds * CHAINS * 8 * 2;
}

PHASOR_AVX512 static double multiply_avx512(size_t rounds) {
    __m512 sum[CHAINS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.5f);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm512_fmadd_ps(sum[i], a, b);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return (double)rounds * CHAINS * 16 * 2;
}

PHASOR_AVX512_BF16 static double multiply_bf16(size_t rounds) {
    __m512 sum[CHAINS];
    __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16(0x3f00);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm512_dpbf16_ps(sum[i], a, b);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return (double)rounds * CHAINS * 32 * 2;
}

PHASOR_AVX512_VNNI static double multiply_int8(size_t rounds) {
    __m512i sum[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(2);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_epi32(i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
            __asm__ volatile("" : "+v"(sum[i]));
        }
    return (double)rounds * CHAINS * 64 * 2;
}

/// Pairs of 16 bits, which int8 without VNNI is multiplied as.
PHASOR_AVX2 static double multiply_int8_pairs(size_t rounds) {
    __m256i sum[CHAINS], a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(2);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_epi32(i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            __asm__ volatile("" : "+x"(a));  // each product is computed anew
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(a, b));
            __asm__ volatile("" : "+x"(sum[i]));
        }
    return (double)rounds * CHAINS * 16 * 2;
}

PHASOR_AVX_VNNI static double multiply_int8_avx_vnni(size_t rounds) {
    __m256i sum[CHAINS], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(2);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_epi32(i);
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm256_dpbusd_avx_epi32(sum[i], a, b);
            __asm__ volatile("" : "+x"(sum[i]));
        }
    return (double)rounds * CHAINS * 32 * 2;
}
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

PHASOR_NEON_BF16 static double multiply_bf16(size_t rounds) {
    float32x4_t sum[CHAINS];
    uint16x8_t one = vdupq_n_u16(0x3f80), half = vdupq_n_u16(0x3f00);
    __asm__ volatile("" : "+w"(one), "+w"(half));  // GCC 12 takes bf16 constants for binary16
    bfloat16x8_t a = vreinterpretq_bf16_u16(one), b = vreinterpretq_bf16_u16(half);
    for (int i = 0; i < CHAINS; i++) sum[i] = vdupq_n_f32((float)i);
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = vbfmmlaq_f32(sum[i], a, b);
            __asm__ volatile("" : "+w"(sum[i]));
        }
    return (double)rounds * CHAINS * 16 * 2;
}

PHASOR_NEON_I8MM static double multiply_int8(size_t rounds) {
    int32x4_t sum[CHAINS];
    uint8x16_t a = vdupq_n_u8(3);
    int8x16_t b = vdupq_n_s8(2);
    for (int i = 0; i < CHAINS; i++) sum[i] = vdupq_n_s32(i);
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = vusmmlaq_s32(sum[i], a, b);
            __asm__ volatile("" : "+w"(sum[i]));
        }
    return (double)rounds * CHAINS * 32 * 2;
}
#endif

#if defined(__x86_64__)
#define KEEP_REGISTER(x) __asm__ volatile("" : "+x"(x))
#elif defined(__aarch64__)
#define KEEP_REGISTER(x) __asm__ volatile("" : "+w"(x))
#else
#define KEEP_REGISTER(x) __asm__ volatile("" : "+m"(x))
#endif

static double multiply_plain(size_t rounds) {
    typedef float vector __attribute__((vector_size(4 * LANES)));
    vector sum[CHAINS], a = {0.999f, 0.999f, 0.999f, 0.999f}, b = {0.5f, 0.5f, 0.5f, 0.5f};
    for (int i = 0; i < CHAINS; i++) sum[i] = a * (float)i;
    for (size_t r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * a + b;
            KEEP_REGISTER(sum[i]);
        }
    return (double)rounds * CHAINS * LANES * 2;
}

double phasor_peak_multiply(phasor_isa level, phasor_operands operands, size_t rounds) {
#if defined(__x86_64__)
    // A round of tiles is as much as 128 of vectors, and takes as long as eight or so.
    if (level >= PHASOR_ISA_AMX && operands != PHASOR_OPERANDS_F32 && phasor_isa_has_tiles())
        return phasor_peak_tiles(operands == PHASOR_OPERANDS_INT8, (rounds + 7) / 8);
    if (operands == PHASOR_OPERANDS_INT8 && level >= PHASOR_ISA_AVX512 && __builtin_cpu_supports("avx512vnni"))
        return multiply_int8(rounds);
    if (operands == PHASOR_OPERANDS_INT8 && level >= PHASOR_ISA_AVX2 && phasor_isa_has_avx_vnni())
        return multiply_int8_avx_vnni(rounds);
    if (operands == PHASOR_OPERANDS_INT8 && level == PHASOR_ISA_AVX2) return multiply_int8_pairs(rounds);
    if (level >= PHASOR_ISA_AVX512_BF16 && operands != PHASOR_OPERANDS_F32) return multiply_bf16(rounds);
    if (level >= PHASOR_ISA_AVX512) return multiply_avx512(rounds);
    if (level >= PHASOR_ISA_AVX2) return multiply_avx2(rounds);
#endif
#if defined(__aarch64__)
    if (operands == PHASOR_OPERANDS_INT8 && phasor_isa_has_int8(level)) return multiply_int8(rounds);
    if (level >= PHASOR_ISA_NEON_BF16 && operands != PHASOR_OPERANDS_F32) return multiply_bf16(rounds);
#endif
    (void)level, (void)operands;
    return multiply_plain(rounds);
}

PHASOR_INLINE void phasor_peak_read_body(const void *memory, size_t bytes, unsigned long *result) {
    const uint64_t *words = memory;
    uint64_t lanes[32] = {0};
    for (size_t i = 0; i + 32 <= bytes / 8; i += 32)
        for (int l = 0; l < 32; l++) lanes[l] ^= words[i + l];
    uint64_t all = 0;
    for (int l = 0; l < 32; l++) all ^= lanes[l];
    *result = all;
}

PHASOR_DISPATCH(
    phasor_peak_read, (const void *memory, size_t bytes, unsigned long *result), (memory, bytes, result))
