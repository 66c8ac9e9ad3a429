#include "isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proof.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__)
#include <sys/auxv.h>

// Bits of AT_HWCAP2, which older headers lack.
enum { I8MM = 1 << 13, BF16 = 1 << 14 };

static const char *const names[] = {"plain", "neon", "neonbf16"};
#else
static const char *const names[] = {"plain", "avx2", "avx512", "avx512bf16"};
#endif

const char *phasor_isa_name(phasor_isa level) { return names[level]; }

static phasor_isa processor(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
        return PHASOR_ISA_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")
        || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return PHASOR_ISA_AVX2;
    return __builtin_cpu_supports("avx512bf16") ? PHASOR_ISA_AVX512_BF16 : PHASOR_ISA_AVX512;
#elif defined(__aarch64__)
    return getauxval(AT_HWCAP2) & BF16 ? PHASOR_ISA_NEON_BF16 : PHASOR_ISA_NEON;
#else
    return PHASOR_ISA_PLAIN;
#endif
}

#if defined(__x86_64__)
/// The AVX form of VNNI, by CPUID itself: compilers of a few years ago have no name for it.
static bool has_avx_vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}
#endif

bool phasor_isa_has_int8(phasor_isa level) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (level >= PHASOR_ISA_AVX512 && __builtin_cpu_supports("avx512vnni")) return true;
    return level >= PHASOR_ISA_AVX2 && has_avx_vnni();
#elif defined(__aarch64__)
    return level >= PHASOR_ISA_NEON && (getauxval(AT_HWCAP2) & I8MM);
#else
    return (void)level, false;
#endif
}

static atomic_int refused = -1;

phasor_isa phasor_isa_level(void) {
    static atomic_int known = -1;  // racing threads find the same answer
    int level = atomic_load_explicit(&known, memory_order_acquire);
    if (level >= 0) return (phasor_isa)level;
    level = processor();
    const char *wanted = getenv("PHASOR_ISA");
    for (int i = 0; wanted && i < level; i++)
        if (strcmp(wanted, names[i]) == 0) level = i;
    int proven = phasor_isa_choose((phasor_isa)level, phasor_isa_proves);
    if (proven < level) atomic_store_explicit(&refused, level, memory_order_relaxed);
    atomic_store_explicit(&known, proven, memory_order_release);
    return (phasor_isa)proven;
}

phasor_isa phasor_isa_wanted(void) {
    phasor_isa level = phasor_isa_level();
    int failed = atomic_load_explicit(&refused, memory_order_relaxed);
    return failed < 0 ? level : (phasor_isa)failed;
}
