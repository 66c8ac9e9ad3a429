#pragma once
#include <immintrin.h>

#include "levels.h"

/// Transposes 16 x 16 words of 32 bits in registers: pairs, quadruples, then 128-bit quarters.
PHASOR_AVX512 static inline __attribute__((always_inline)) void transpose_16x16(__m512i *r) {
    __m512i t[16];
#pragma unroll
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma unroll
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    }
}

/// Defines `multiply` from `block(tile, rows, vectors)`, built for each size of tile.
#define PHASOR_TILE_SIZES(attributes, block)                             \
    attributes static void multiply(const phasor_tile *t) {              \
        switch ((t->columns / ENGINE_LANES - 1) * ENGINE_ROWS + t->rows) { \
        case 1: block(t, 1, 1); break;                                   \
        case 2: block(t, 2, 1); break;                                   \
        case 3: block(t, 3, 1); break;                                   \
        case 4: block(t, 4, 1); break;                                   \
        case 5: block(t, 5, 1); break;                                   \
        case 6: block(t, 6, 1); break;                                   \
        case 7: block(t, 1, 2); break;                                   \
        case 8: block(t, 2, 2); break;                                   \
        case 9: block(t, 3, 2); break;                                   \
        case 10: block(t, 4, 2); break;                                  \
        case 11: block(t, 5, 2); break;                                  \
        case 12: block(t, 6, 2); break;                                  \
        case 13: block(t, 1, 3); break;                                  \
        case 14: block(t, 2, 3); break;                                  \
        case 15: block(t, 3, 3); break;                                  \
        case 16: block(t, 4, 3); break;                                  \
        case 17: block(t, 5, 3); break;                                  \
        case 18: block(t, 6, 3); break;                                  \
        case 19: block(t, 1, 4); break;                                  \
        case 20: block(t, 2, 4); break;                                  \
        case 21: block(t, 3, 4); break;                                  \
        case 22: block(t, 4, 4); break;                                  \
        case 23: block(t, 5, 4); break;                                  \
        default: block(t, 6, 4); break;                                  \
        }                                                                \
    }
