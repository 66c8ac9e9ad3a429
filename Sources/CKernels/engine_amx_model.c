#include "bf16.h"
#include "int8.h"

// The tile engines over a model of the instructions in plain C, for tests on processors that lack them. Operation and limits
// as in the Intel 64 and IA-32 manual, volume 2 (LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS, TDPBUSD); what a processor
// refuses ends the program.

typedef struct {
    uint8_t palette, first_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} shapes;

typedef union {
    char bytes[16][64];
    int32_t ints[16][16];
    float floats[16][16];
} tile;

static _Thread_local shapes shape;
static _Thread_local tile tiles[8];

static void require(bool holds) {
    if (!holds) __builtin_trap();
}

static void model_shapes(const void *operand) {
    memcpy(&shape, operand, sizeof shape);
    require(shape.palette == 1 && shape.first_row == 0);
    for (int i = 0; i < 14; i++) require(shape.reserved[i] == 0);
    for (int i = 0; i < 16; i++) {
        require(i < 8 ? shape.rows[i] <= 16 && shape.row_bytes[i] <= 64 : shape.rows[i] == 0 && shape.row_bytes[i] == 0);
        require((shape.rows[i] == 0) == (shape.row_bytes[i] == 0));
    }
    memset(tiles, 0, sizeof tiles);
}

static void model_zero(int t) {
    require(shape.rows[t] > 0);
    memset(tiles + t, 0, sizeof *tiles);
}

static void model_load(int t, const void *at, ptrdiff_t apart) {
    model_zero(t);
    for (int i = 0; i < shape.rows[t]; i++) memcpy(tiles[t].bytes[i], (const char *)at + i * apart, shape.row_bytes[t]);
}

static void model_store(int t, void *at, ptrdiff_t apart) {
    require(shape.rows[t] > 0);
    for (int i = 0; i < shape.rows[t]; i++) memcpy((char *)at + i * apart, tiles[t].bytes[i], shape.row_bytes[t]);
}

/// That c, a and b are three tiles whose shapes make a product.
static void require_product(int c, int a, int b) {
    require(c != a && c != b && a != b);
    require(shape.rows[c] > 0 && shape.rows[a] > 0 && shape.rows[b] > 0);
    require(shape.rows[a] == shape.rows[c] && shape.row_bytes[b] == shape.row_bytes[c]);
    require(shape.row_bytes[a] % 4 == 0 && shape.row_bytes[b] % 4 == 0 && shape.row_bytes[a] / 4 == shape.rows[b]);
}

/// Subnormals count as zero.
static float normal(float x) { return x < 0x1p-126f && x > -0x1p-126f ? 0 : x; }

static float widened(const char *bf16) {
    uint16_t half;
    memcpy(&half, bf16, 2);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return normal(value);
}

/// Even and odd values of K have sums of their own, which join before they are added to c. The products of bf16 are exact, so
/// that a fused addition and a plain one give the same.
static void model_bf16(int c, int a, int b) {
    require_product(c, a, b);
    for (int m = 0; m < shape.rows[c]; m++)
        for (int n = 0; n < shape.row_bytes[c] / 4; n++) {
            float sums[2] = {0, 0};
            for (int k = 0; k < shape.row_bytes[a] / 4; k++)
                for (int i = 0; i < 2; i++)
                    sums[i] = normal(
                        sums[i] + widened(tiles[a].bytes[m] + 4 * k + 2 * i) * widened(tiles[b].bytes[k] + 4 * n + 2 * i));
            tiles[c].floats[m][n] = normal(normal(sums[0] + sums[1]) + normal(tiles[c].floats[m][n]));
        }
}

/// Unsigned bytes of a times signed ones of b; sums wrap.
static void model_int8(int c, int a, int b) {
    require_product(c, a, b);
    for (int m = 0; m < shape.rows[c]; m++)
        for (int n = 0; n < shape.row_bytes[c] / 4; n++) {
            uint32_t sum = (uint32_t)tiles[c].ints[m][n];
            for (int k = 0; k < shape.row_bytes[a]; k++)
                sum += (uint32_t)((uint8_t)tiles[a].bytes[m][k] * (int8_t)tiles[b].bytes[k / 4][4 * n + k % 4]);
            tiles[c].ints[m][n] = (int32_t)sum;
        }
}

static void pack_pairs(const float *in, size_t count, float scale, void *out) { bf16_pack(in, count, scale, 2, out); }

static void transpose_pairs(const float *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    bf16_transpose(rows, stride, columns, k, width, 2, panel);
}

static void transpose_pairs_bf16(const void *rows, size_t stride, size_t columns, size_t k, size_t width, void *panel) {
    bf16_transpose_bf16(rows, stride, columns, k, width, 2, panel);
}

static void interleave_pairs(const float *rows, size_t stride, size_t k, size_t columns, size_t width, void *panel) {
    bf16_interleave(rows, stride, k, columns, width, 2, panel);
}

static const phasor_engine pairs = {
    .pack = pack_pairs,
    .transpose = transpose_pairs,
    .transpose_bf16 = transpose_pairs_bf16,
    .interleave = interleave_pairs,
};

#define TILE_TARGET
#define TILE_SHAPES(shapes) model_shapes(shapes)
#define TILE_ZERO(tile) model_zero(tile)
#define TILE_LOAD(tile, at, apart) model_load(tile, at, (ptrdiff_t)(apart))
#define TILE_STORE(tile, at, apart) model_store(tile, at, (ptrdiff_t)(apart))
#define TILE_BF16(c, a, b) model_bf16(c, a, b)
#define TILE_INT8(c, a, b) model_int8(c, a, b)
#define PAIRS (&pairs)
#define BYTES (&phasor_engine_int8_plain)

#include "amx.h"

AMX_BF16_ENGINE(phasor_engine_amx_bf16_model)
AMX_INT8_ENGINE(phasor_engine_int8_amx_model)
