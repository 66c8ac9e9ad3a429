#include "engine.h"

#if defined(__x86_64__)
#include <immintrin.h>

// The tile engines by the processor's own instructions (Sapphire Rapids and later).

#define TILE_TARGET PHASOR_AMX
#define TILE_SHAPES(shapes) _tile_loadconfig(shapes)
#define TILE_ZERO(tile) _tile_zero(tile)
// Not every compiler's intrinsic says that it reads memory.
#define TILE_LOAD(tile, at, apart)            \
    do {                                      \
        __asm__ volatile("" ::: "memory");    \
        _tile_loadd(tile, at, apart);         \
    } while (0)
#define TILE_STORE(tile, at, apart) _tile_stored(tile, at, apart)
#define TILE_BF16(c, a, b) _tile_dpbf16ps(c, a, b)
#define TILE_INT8(c, a, b) _tile_dpbusd(c, a, b)
#define PAIRS (&phasor_engine_avx512_bf16)
#define BYTES (&phasor_engine_int8_vnni)

#include "amx.h"

AMX_BF16_ENGINE(phasor_engine_amx_bf16)
AMX_INT8_ENGINE(phasor_engine_int8_amx)

// Six sums: a product takes 16 turns, and its result 52.
#define SIX_PRODUCTS(product) \
    do {                      \
        product(0, 6, 7);     \
        product(1, 6, 7);     \
        product(2, 6, 7);     \
        product(3, 6, 7);     \
        product(4, 6, 7);     \
        product(5, 6, 7);     \
    } while (0)

PHASOR_AMX double phasor_peak_tiles(bool int8, size_t rounds) {
    take_shapes(AMX_SIDE);
    AMX_ZERO_SUMS();
    TILE_ZERO(4);
    TILE_ZERO(5);
    TILE_ZERO(6);
    TILE_ZERO(7);
    for (size_t r = 0; r < rounds; r++) {
        if (int8) SIX_PRODUCTS(TILE_INT8);
        else SIX_PRODUCTS(TILE_BF16);
    }
    return (double)rounds * 6 * AMX_SIDE * AMX_SIDE * (int8 ? AMX_ROW : AMX_STEP) * 2;
}
#endif
