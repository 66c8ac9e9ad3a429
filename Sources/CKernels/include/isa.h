#pragma once
#include <stdbool.h>

/// Instruction set levels, each containing the ones before it.
typedef enum phasor_isa {
    PHASOR_ISA_PLAIN = 0,  // whatever the compiler's baseline is
#if defined(__aarch64__)
    PHASOR_ISA_NEON = 1,      // which all have
    PHASOR_ISA_NEON_BF16 = 2  // and BFMMLA
#else
    PHASOR_ISA_AVX2 = 1,         // AVX2, FMA, F16C
    PHASOR_ISA_AVX512 = 2,       // AVX-512 F, BW, DQ, VL
    PHASOR_ISA_AVX512_BF16 = 3,  // and the bf16 dot product
    PHASOR_ISA_AMX = 4           // and VNNI, and tiles of bf16 and int8
#endif
} phasor_isa;

/// The highest level that there are kernels for.
phasor_isa phasor_isa_last(void);

/// The level in use: the highest that this processor has and the system permits, or the lower one that the environment variable
/// PHASOR_ISA names (plain, avx2, avx512, avx512bf16; on arm64 plain, neon) when it is first asked for. It has proved itself then:
/// its engines gave the results of their plain twins on a handful of products, else the next lower level that does is in use.
/// Results agree bit for bit inside one level only.
phasor_isa phasor_isa_level(void);

/// Why a level is not in use.
typedef enum phasor_obstacle {
    PHASOR_OBSTACLE_NONE,        // it is, or one that contains it
    PHASOR_OBSTACLE_PROCESSOR,   // the processor lacks instructions
    PHASOR_OBSTACLE_SYSTEM,      // the system does not save its registers, or forbids this process to use them
    PHASOR_OBSTACLE_UNWANTED,    // PHASOR_ISA names a lower one
    PHASOR_OBSTACLE_UNPROVEN     // its kernels do not compute what plain C does
} phasor_obstacle;

phasor_obstacle phasor_isa_obstacle(phasor_isa level);

/// Whether a level multiplies int8 faster than float32 on this processor: by VNNI of AVX-512 or AVX, tiles, pairs of 16 bits at the
/// AVX2 level (which AVX-512 without VNNI would be no faster with), or I8MM on arm64. No level of its own: some have that without bf16.
bool phasor_isa_has_int8(phasor_isa level);

/// Whether the level in use has int8 by an instruction that multiplies more than pairs.
bool phasor_isa_has_int8_dots(void);

/// Whether this process may use tiles: processor and system have them, and the system's permission, which is asked for once,
/// was given.
bool phasor_isa_has_tiles(void);

/// Whether the processor has the AVX form of VNNI.
bool phasor_isa_has_avx_vnni(void);

/// The name PHASOR_ISA has for a level.
const char *phasor_isa_name(phasor_isa level);
