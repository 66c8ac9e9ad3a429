#include "proof.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "int8.h"

// An engine proves itself on tiles of every kind of size, small enough to take a millisecond in all. Operands are whole
// numbers that every engine holds exactly and whose sums are exact in float32 in any order, so that results are compared
// to the bit with the plain twin's; int8 engines promise the bits of their twin for all values.

enum { MOST_K = 520, ROWS = ENGINE_MOST_ROWS, COLUMNS = ENGINE_COLUMNS };

typedef struct {
    float x[ROWS * MOST_K], w[COLUMNS * MOST_K], across[MOST_K * COLUMNS];
    uint16_t halves[COLUMNS * MOST_K];
    float sums[ROWS * COLUMNS], expected[ROWS * COLUMNS];
    uint32_t dice;
    size_t bytes;
    char *rows, *panel;  // `bytes` bytes each
} bench;

/// A whole number of -most...most.
static float throw(bench *b, int most) {
    b->dice = b->dice * 1664525u + 1013904223u;
    return (float)((int)((b->dice >> 8) % (uint32_t)(2 * most + 1)) - most);
}

enum way { FROM_F32, FROM_BF16, IN_K_ORDER };

/// Packs and multiplies `rows` x `columns` outputs over k in two segments' worth of accumulation: c = c + x w^T.
static void product(bench *b, const phasor_engine *e, enum way way, size_t rows, size_t columns, size_t k, float *c) {
    size_t width = engine_width(columns), step = engine_step_bytes(e), row_bytes = engine_row_bytes(e, k), none = 0;
    memset(b->panel, 0x5a, b->bytes);
    phasor_tile tile = {
        .rows = rows, .columns = width, .segments = 1, .steps = engine_steps(e, k), .last = engine_last(e, k),
        .offsets = &none, .panel = b->panel, .c = c, .stride = COLUMNS, .accumulate = true};
    for (size_t i = 0; i < rows; i++) {
        // In order, or where there are many at distances that differ.
        char *row = b->rows + (rows & 1 ? i * 5 % ROWS : i) * row_bytes;
        e->pack(b->x + i * MOST_K, k, 0.5f, row);
        tile.a[i] = row;
    }
    if (way == IN_K_ORDER) e->interleave(b->across, COLUMNS, k, columns, width, b->panel);
    for (size_t j = 0; j < width && way != IN_K_ORDER; j += ENGINE_LANES) {
        size_t lanes = columns - j < ENGINE_LANES ? columns - j : ENGINE_LANES;
        if (way == FROM_BF16)
            e->transpose_bf16(b->halves + j * MOST_K, MOST_K * 2, lanes, k, width, b->panel + j * step);
        else
            e->transpose(b->w + j * MOST_K, MOST_K, lanes, k, width, b->panel + j * step);
    }
    e->multiply(&tile);
}

static bool agrees(bench *b, const phasor_engine *e, const phasor_engine *twin, size_t rows, size_t columns, size_t k) {
    for (enum way way = FROM_F32; way <= IN_K_ORDER; way++) {
        if ((way == FROM_BF16 && !e->transpose_bf16) || (way == IN_K_ORDER && !e->interleave)) continue;
        for (size_t i = 0; i < ROWS * COLUMNS; i++) b->sums[i] = b->expected[i] = throw(b, 9);
        product(b, e, way, rows, columns, k, b->sums);
        product(b, twin, way == FROM_BF16 ? FROM_F32 : way, rows, columns, k, b->expected);
        for (size_t i = 0; i < rows; i++)
            if (memcmp(b->sums + i * COLUMNS, b->expected + i * COLUMNS, columns * sizeof(float)) != 0) return false;
    }
    return true;
}

bool phasor_engine_proves(const phasor_engine *e, const phasor_engine *twin) {
    if (e == twin) return true;
    bench *b = calloc(1, sizeof *b);
    size_t bytes = (size_t)(MOST_K + INT8_BLOCK) * COLUMNS * sizeof(float);  // of a panel, and more than those of the rows
    char *memory = NULL;
    if (!b || posix_memalign((void **)&memory, 64, 2 * bytes) != 0) {
        free(b);
        return false;
    }
    b->bytes = bytes, b->rows = memory, b->panel = memory + bytes;
    // bf16 holds whole numbers to 256, float32 products of twelve bits with five.
    int left = e->element == sizeof(float) ? 2047 : 127, right = e->element == sizeof(float) ? 15 : 127;
    for (size_t i = 0; i < ROWS * MOST_K; i++) b->x[i] = throw(b, left);
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t p = 0; p < MOST_K; p++) {
            float value = throw(b, right);
            uint32_t bits;
            memcpy(&bits, &value, 4);
            b->w[c * MOST_K + p] = b->across[p * COLUMNS + c] = value;
            b->halves[c * MOST_K + p] = (uint16_t)(bits >> 16);
        }
    static const size_t lengths[] = {1, 2, 3, 37, 100, 256, 517};
    static const size_t heights[] = {1, 2, 3, 4, 5, 6, 15, 16, 17, 31, 32};
    bool all = true;
    for (size_t l = 0; all && l < sizeof lengths / sizeof *lengths; l++)
        for (const size_t *r = heights; all && r < heights + sizeof heights / sizeof *heights && *r <= e->rows; r++)
            for (size_t columns = ENGINE_LANES; all && columns <= COLUMNS; columns += ENGINE_LANES)
                all = agrees(b, e, twin, *r, columns - (*r & 1) * 3, lengths[l]);
    free(memory);
    free(b);
    return all;
}

bool phasor_isa_proves(phasor_isa level) {
    return phasor_engine_proves(phasor_engine_for(level, false), &phasor_engine_plain)
        && phasor_engine_proves(phasor_engine_for(level, true), &phasor_engine_plain)
        && phasor_engine_proves(phasor_engine_int8(level), &phasor_engine_int8_plain);
}

phasor_isa phasor_isa_choose(phasor_isa highest, bool (*proves)(phasor_isa)) {
    int level = highest;
    while (level > PHASOR_ISA_PLAIN && !proves((phasor_isa)level)) level--;
    return (phasor_isa)level;
}
