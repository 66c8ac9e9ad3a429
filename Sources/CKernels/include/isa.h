#pragma once
#include <stdbool.h>

/// Instruction set levels, each containing the ones before it.
typedef enum phasor_isa {
    PHASOR_ISA_PLAIN = 0,  // whatever the compiler's baseline is
#if defined(__aarch64__)
    PHASOR_ISA_NEON = 1,      // which all have
    PHASOR_ISA_NEON_BF16 = 2  // and BFMMLA
#else
    PHASOR_ISA_AVX2 = 1,        // AVX2, FMA, F16C
    PHASOR_ISA_AVX512 = 2,      // AVX-512 F, BW, DQ, VL
    PHASOR_ISA_AVX512_BF16 = 3  // and the bf16 dot product
#endif
} phasor_isa;

/// The level in use: the highest this processor has, or the lower one that the environment variable PHASOR_ISA names
/// (plain, avx2, avx512, avx512bf16; on arm64 neon, neonbf16) when it is first asked for. It has proved itself then: its engines gave the results of
/// their plain twins on a handful of products, else the next lower level that does is in use. Results agree bit for bit
/// inside one level only.
phasor_isa phasor_isa_level(void);

/// The level that would be in use had every level proved itself.
phasor_isa phasor_isa_wanted(void);

/// Whether a level has products of bytes on this processor (VNNI of AVX-512 or AVX; I8MM on arm64). No level of its own: some have them without
/// bf16.
bool phasor_isa_has_int8(phasor_isa level);

/// The name PHASOR_ISA has for a level.
const char *phasor_isa_name(phasor_isa level);
