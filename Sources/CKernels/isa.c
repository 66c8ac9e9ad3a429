#include "isa.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proof.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif
#if defined(__aarch64__)
#include <sys/auxv.h>

// Bits of AT_HWCAP2, which older headers lack.
enum { I8MM = 1 << 13, BF16 = 1 << 14 };

static const char *const names[] = {"plain", "neon", "neonbf16"};
#else
static const char *const names[] = {"plain", "avx2", "avx512", "avx512bf16", "amx"};
#endif

phasor_isa phasor_isa_last(void) { return (phasor_isa)(sizeof names / sizeof *names - 1); }

const char *phasor_isa_name(phasor_isa level) { return names[level]; }

/// What there is, found once: other threads wait for it.
static struct {
    phasor_isa processor;  // has it
    phasor_isa permitted;  // by the system as well
    phasor_isa wanted;     // by PHASOR_ISA as well
    phasor_isa level;      // that proved itself as well
    bool int8;             // products of bytes in AVX form, or on arm64
} found;

#if defined(__x86_64__)
enum { XCR0_TILES = 1 << 17 | 1 << 18 };  // their shapes and their data

static bool has_tile_instructions(void) {
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25, ALL = AMX_BF16 | AMX_TILE | AMX_INT8 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & ALL) == ALL && __builtin_cpu_supports("avx512vnni");
}

static phasor_isa processor(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
        return PHASOR_ISA_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")
        || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return PHASOR_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512bf16")) return PHASOR_ISA_AVX512;
    return has_tile_instructions() ? PHASOR_ISA_AMX : PHASOR_ISA_AVX512_BF16;
}

/// The system saves tiles (XCR0, read by XGETBV), and lets this process use them: Linux asks that of every process, as the 8 KB of them
/// make its signal frames larger (arch_prctl, ARCH_REQ_XCOMP_PERM, component 18). It holds for all threads.
static bool permits_tiles(void) {
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, OSXSAVE = 1 << 27 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return false;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & XCR0_TILES) != XCR0_TILES) return false;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

static phasor_isa permitted(phasor_isa level) {
    return level == PHASOR_ISA_AMX && !permits_tiles() ? PHASOR_ISA_AVX512_BF16 : level;
}

/// The AVX form of VNNI, by CPUID itself: compilers of a few years ago have no name for it.
static bool has_bytes(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}
#elif defined(__aarch64__)
static phasor_isa processor(void) {
    return getauxval(AT_HWCAP2) & BF16 ? PHASOR_ISA_NEON_BF16 : PHASOR_ISA_NEON;
}
static phasor_isa permitted(phasor_isa level) { return level; }
static bool has_bytes(void) { return getauxval(AT_HWCAP2) & I8MM; }
#else
static phasor_isa processor(void) { return PHASOR_ISA_PLAIN; }
static phasor_isa permitted(phasor_isa level) { return level; }
static bool has_bytes(void) { return false; }
#endif

static void find(void) {
    found.processor = processor();
    found.permitted = permitted(found.processor);
    found.int8 = has_bytes();
    found.wanted = found.permitted;
    const char *wanted = getenv("PHASOR_ISA");
    for (int i = 0; wanted && i < (int)found.permitted; i++)
        if (strcmp(wanted, names[i]) == 0) found.wanted = (phasor_isa)i;
}

/// Finds the processor's abilities, which the proof asks for as well.
static void know(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
}

static void prove(void) {
    know();
    found.level = phasor_isa_choose(found.wanted, phasor_isa_proves);
}

phasor_isa phasor_isa_level(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prove);
    return found.level;
}

phasor_obstacle phasor_isa_obstacle(phasor_isa level) {
    if (level <= phasor_isa_level()) return PHASOR_OBSTACLE_NONE;
    if (level > found.processor) return PHASOR_OBSTACLE_PROCESSOR;
    if (level > found.permitted) return PHASOR_OBSTACLE_SYSTEM;
    return level > found.wanted ? PHASOR_OBSTACLE_UNWANTED : PHASOR_OBSTACLE_UNPROVEN;
}

bool phasor_isa_has_int8(phasor_isa level) {
    know();
#if defined(__x86_64__)
    if (level >= PHASOR_ISA_AVX512 && __builtin_cpu_supports("avx512vnni")) return true;
    return level == PHASOR_ISA_AVX2 || (level > PHASOR_ISA_AVX2 && found.int8);
#elif defined(__aarch64__)
    return level >= PHASOR_ISA_NEON && found.int8;
#else
    return (void)level, false;
#endif
}

bool phasor_isa_has_avx_vnni(void) {
    know();
#if defined(__x86_64__)
    return found.int8;
#else
    return false;
#endif
}

bool phasor_isa_has_tiles(void) {
    know();
#if defined(__x86_64__)
    return found.permitted >= PHASOR_ISA_AMX;
#else
    return false;
#endif
}
