// The engines of the processor it runs on, beside their plain twins, without Swift: for processors that are there in
// emulation alone. Prints a line a check, ends with 1 if one failed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../Sources/CKernels/engine.h"
#include "../../Sources/CKernels/include/ckernels.h"
#include "../../Sources/CKernels/int8.h"
#include "../../Sources/CKernels/proof.h"

static int failures;

static void check(bool holds, const char *level, const char *what) {
    printf("%s %s: %s\n", holds ? "ok    " : "FAILED", level, what);
    failures += !holds;
}

static float *noise(size_t count, uint32_t seed) {
    float *values = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 8) / 8388608.0f - 1;
    }
    return values;
}

static float *zeros(size_t count) {
    float *values = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    memset(values, 0, count * sizeof(float));
    return values;
}

/// The root mean square of a - b beside that of b.
static double distance(const float *a, const float *b, size_t count) {
    double lost = 0, all = 1e-30;
    for (size_t i = 0; i < count; i++) lost += ((double)a[i] - b[i]) * ((double)a[i] - b[i]), all += (double)b[i] * b[i];
    return sqrt(lost / all);
}

static void gemm(const phasor_engine *e, int threads, phasor_gemm g) {
    phasor_pool *pool = phasor_pool_create(threads, NULL);
    void *scratch = aligned_alloc(64, (phasor_gemm_scratch(e, &g, 1, threads) + 63) / 64 * 64);
    phasor_gemm_run(pool, e, &g, 1, scratch);
    free(scratch);
    phasor_pool_destroy(pool);
}

static void products(const phasor_engine *e, const phasor_engine *twin, double tolerance, const char *level) {
    enum { M = 71, N = 150, K = 1333 };
    float *x = noise(M * K, 1), *w = noise(N * K, 2);
    float *out = zeros(M * N), *again = zeros(M * N), *expected = zeros(M * N);
    phasor_gemm g = {.m = M, .n = N, .k = K, .x = x, .format = PHASOR_F32, .w = w, .gate_rows = M, .out = out};
    gemm(e, 1, g);
    g.out = expected;
    gemm(twin, 1, g);
    check(distance(out, expected, M * N) <= tolerance, level, "a product agrees with the plain twin's");
    g.out = again;
    gemm(e, 3, g);
    check(memcmp(out, again, M * N * sizeof(float)) == 0, level, "threads change no bit");
    bool same = true;
    for (size_t row = 0; row < M; row += 7) {
        g.m = 1, g.x = x + row * K;
        gemm(e, 1, g);
        same = same && memcmp(out + row * N, again, N * sizeof(float)) == 0;
    }
    check(same, level, "a row alone is that of the batch");

    // Weights that bf16 holds, read as such and as float32: blocks of zeros, of tiny and of huge values among them.
    char *halves = (char *)calloc(N * K + 1, sizeof(uint16_t)) + 1;  // unaligned
    for (size_t i = 0; i < N * K; i++) {
        static const float sizes[] = {1, 0, 1e-39f, 1e-30f, 1e30f};
        float value = w[i] * sizes[i / 300 % 5];
        uint32_t bits;
        memcpy(&bits, &value, 4);
        uint16_t half = (uint16_t)(bits >> 16);
        memcpy(halves + 2 * i, &half, 2);
        bits &= 0xffff0000;
        memcpy(w + i, &bits, 4);
    }
    g.m = M, g.x = x, g.out = out;
    gemm(e, 2, g);
    g.out = again, g.format = PHASOR_BF16, g.w = halves;
    gemm(e, 2, g);
    check(memcmp(out, again, M * N * sizeof(float)) == 0, level, "weights in bf16 are what they are in float32");
    free(halves - 1);
    free(x), free(w), free(out), free(again), free(expected);
}

/// `scoring`, `twin_scoring`: what multiplies queries and keys, or NULL: as `e` and `twin` do.
static void attention(
    const phasor_engine *e, const phasor_engine *scoring, const phasor_engine *twin, const phasor_engine *twin_scoring,
    double tolerance, const char *what, const char *level) {
    enum { QUERIES = 53, KEYS = 731, HEADS = 2, DIM = 72 };
    float *q = noise(QUERIES * HEADS * DIM, 3), *k = noise(KEYS * HEADS * DIM, 4), *v = noise(KEYS * HEADS * DIM, 5);
    float *out[2] = {zeros(QUERIES * HEADS * DIM), zeros(QUERIES * HEADS * DIM)};
    // Keys that are large and alike in one channel, as trained models have them, and a tenth of the keys hidden.
    float hidden[KEYS];
    for (size_t i = 0; i < KEYS; i++) hidden[i] = i % 10 == 3 ? -INFINITY : 0;
    for (size_t i = 0; i < KEYS * HEADS && scoring; i++) k[i * DIM + 5] += 20;
    const phasor_engine *engines[] = {e, twin}, *scorings[] = {scoring, twin_scoring};
    for (int i = 0; i < 2; i++) {
        phasor_attention w = {
            .q = q, .k = k, .v = v, .out = out[i], .batch = 1, .queries = QUERIES, .keys = KEYS, .heads = HEADS,
            .kv_heads = HEADS, .head_dim = DIM, .scale = 1 / sqrtf(DIM), .key_bias = hidden, .scoring = scorings[i]};
        phasor_pool *pool = phasor_pool_create(2, NULL);
        void *scratch = aligned_alloc(64, (phasor_attention_scratch(engines[i], &w, 2) + 63) / 64 * 64);
        phasor_attention_run(pool, engines[i], &w, scratch);
        free(scratch);
        phasor_pool_destroy(pool);
    }
    check(distance(out[0], out[1], QUERIES * HEADS * DIM) <= tolerance, level, what);
    free(q), free(k), free(v), free(out[0]), free(out[1]);
}

/// What is not a number in a query makes its row so, and in a key every row: a damaged weight is not to pass as a picture.
static void not_numbers(const phasor_engine *e, const phasor_engine *scoring, const char *level) {
    enum { QUERIES = 7, KEYS = 600, DIM = 24, BAD = 2 };
    float *k = noise(KEYS * DIM, 4), *v = noise(KEYS * DIM, 5), *out = zeros(QUERIES * DIM);
    phasor_pool *pool = phasor_pool_create(1, NULL);
    for (int key = -1; key < KEYS; key += key < 0 ? 1 : 599) {
        float *q = noise(QUERIES * DIM, 3);
        if (key < 0) q[BAD * DIM + 1] = NAN;
        if (key >= 0) k[key * DIM + 1] = NAN;
        phasor_attention w = {
            .q = q, .k = k, .v = v, .out = out, .batch = 1, .queries = QUERIES, .keys = KEYS, .heads = 1, .kv_heads = 1,
            .head_dim = DIM, .scale = 1, .scoring = scoring};
        void *scratch = aligned_alloc(64, (phasor_attention_scratch(e, &w, 1) + 63) / 64 * 64);
        phasor_attention_run(pool, e, &w, scratch);
        bool holds = true;
        for (int i = 0; i < QUERIES * DIM; i++) holds = holds && isnan(out[i]) == (key >= 0 || i / DIM == BAD);
        check(holds, level, key < 0 ? "no number in a query is none in its row" : "no number in a key is none in all rows");
        free(scratch), free(q);
    }
    phasor_pool_destroy(pool);
    free(k), free(v), free(out);
}

/// One convolution: a kernel over two frames of one before and one in, borders, channels that fill no step, outputs that fill no
/// panel, and rows of pixels that end inside a tile.
typedef struct {
    const char *what;
    size_t channels, outputs, height, width, stride, upsample;
    bool normed;
} picture;

/// `form`: 0 for taps, 1 for the phases of an enlarged picture, 2 or 4 for squares of so many outputs along a side.
static float *convolved(const phasor_engine *e, int threads, picture p, bool in_pieces, size_t form) {
    enum { TAPS = 18, MOST_TAPS = 2 * 36, PHASES = 4 };
    size_t taps = form == 0 ? TAPS : form == 1 ? 2 * 4 : 2 * (form + 2) * (form + 2);
    size_t side = p.height * p.width * p.channels;
    size_t height = (p.height * p.upsample + 2 - 3) / p.stride + 1, width = (p.width * p.upsample + 2 - 3) / p.stride + 1;
    float *in = noise(3 * side, 6), *weight = noise(p.outputs * p.channels * TAPS, 7), *bias = noise(p.outputs, 8);
    float *scale = noise(2 * p.channels, 9), *buffer = zeros(16 * p.channels);
    float *residual = noise(2 * height * width * p.outputs, 10), *out = zeros(2 * height * width * p.outputs);
    float *sums = zeros(p.outputs * p.channels * MOST_TAPS);
    size_t bytes = phasor_convolution_panel_bytes(e, p.outputs, p.channels, taps);
    char *panels = aligned_alloc(64, (PHASES * bytes + 63) / 64 * 64);
    for (size_t phase = 0; phase < (form == 1 ? PHASES : 1); phase++) {
        if (form == 1) phasor_phase_weights(phase, weight, p.outputs * p.channels * 2, sums);
        if (form > 1) phasor_winograd_weights(form, weight, p.outputs * p.channels * 2, sums);
        phasor_convolution_pack(e, form ? sums : weight, p.outputs, p.channels, taps, buffer, panels + phase * bytes);
    }
    phasor_pool *pool = phasor_pool_create(threads, NULL);
    for (size_t frame = 0; frame < 2; frame++) {
        phasor_convolution w = {
            .frames_held = 1, .frames_in = in_pieces ? 1 : 2, .height_in = p.height, .width_in = p.width,
            .channels = p.channels, .frames_out = in_pieces ? 1 : 2, .height_out = height, .width_out = width,
            .outputs = p.outputs, .kernel_time = 2, .kernel_height = 3, .kernel_width = 3, .stride_time = 1,
            .stride = p.stride, .pad = 1, .upsample = p.upsample, .packed_taps = TAPS, .panels = panels,
            .winograd = form > 1 ? form : 0, .by_phases = form == 1,
            .before = in + frame * side, .in = in + (frame + 1) * side, .scale = p.normed ? scale : NULL,
            .shift = p.normed ? scale + p.channels : NULL, .activation = p.normed ? PHASOR_SILU : PHASOR_IDENTITY,
            .bias = bias, .residual = residual + frame * height * width * p.outputs,
            .out = out + frame * height * width * p.outputs};
        void *scratch = aligned_alloc(64, (phasor_convolution_scratch(e, &w, threads) + 63) / 64 * 64);
        phasor_convolution_run(pool, e, &w, scratch);
        free(scratch);
        if (!in_pieces) break;
    }
    phasor_pool_destroy(pool);
    free(in), free(weight), free(bias), free(scale), free(buffer), free(residual), free(panels), free(sums);
    return out;
}

/// Sums of taps in float64, without any engine: the twin's own test.
static float *defined(picture p) {
    size_t height = (p.height * p.upsample + 2 - 3) / p.stride + 1, width = (p.width * p.upsample + 2 - 3) / p.stride + 1;
    size_t side = p.height * p.width * p.channels;
    float *in = noise(3 * side, 6), *weight = noise(p.outputs * p.channels * 18, 7), *bias = noise(p.outputs, 8);
    float *scale = noise(2 * p.channels, 9), *residual = noise(2 * height * width * p.outputs, 10);
    float *out = zeros(2 * height * width * p.outputs);
    for (size_t i = 0; i < 2 * height * width * p.outputs; i++) {
        size_t o = i % p.outputs, x = i / p.outputs % width, y = i / p.outputs / width % height;
        size_t frame = i / p.outputs / width / height;
        double sum = 0;
        for (size_t tap = 0; tap < 18; tap++) {
            size_t row = y * p.stride + tap % 9 / 3 - 1, column = x * p.stride + tap % 3 - 1;  // wraps above the frame
            if (row >= p.height * p.upsample || column >= p.width * p.upsample) continue;
            const float *pixel = in + (frame + tap / 9) * side
                + (row / p.upsample * p.width + column / p.upsample) * p.channels;
            for (size_t c = 0; c < p.channels; c++) {
                double value = pixel[c];
                if (p.normed) {
                    value = value * scale[c] + scale[p.channels + c];
                    value = value / (1 + exp(-value));
                }
                sum += value * weight[(o * p.channels + c) * 18 + tap];
            }
        }
        out[i] = (float)(sum + bias[o] + residual[i]);
    }
    free(in), free(weight), free(bias), free(scale), free(residual);
    return out;
}

/// `twin`: an engine whose bits it has, or NULL.
static void convolution(const phasor_engine *e, const phasor_engine *twin, double tolerance, const char *level) {
    static const picture pictures[] = {
        {"a convolution of 24 channels agrees with its definition", 24, 70, 9, 21, 1, 1, false},
        {"one of 3 channels, normed first, does", 3, 16, 5, 40, 1, 1, true},
        {"one in strides of two does", 32, 33, 12, 13, 2, 1, false},
        {"one of an enlarged picture does", 37, 70, 6, 7, 1, 2, true},
        {"one of several bands of it does", 24, 5, 130, 61, 1, 2, false},
        {"one of several bands does", 24, 5, 300, 131, 1, 1, false},
        {"one of 330 channels does", 330, 80, 5, 9, 1, 1, true}};
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        picture p = pictures[i];
        size_t height = (p.height * p.upsample - 1) / p.stride + 1, width = (p.width * p.upsample - 1) / p.stride + 1;
        size_t count = 2 * height * width * p.outputs;
        float *expected = defined(p);
        for (size_t form = 0; form <= 4; form++) {
            if (form == 1 && p.upsample != 2) continue;
            if (form == 3 || (form > 1 && (p.stride != 1 || phasor_engine_of_squares(e) != e))) continue;
            float *few = convolved(e, 1, p, false, form), *pieces = convolved(e, 3, p, true, form);
            const char *what = form == 0 ? p.what : form == 1 ? "so do its phases" : "so do Winograd's squares";
            check(distance(few, expected, count) <= tolerance, level, what);
            check(memcmp(few, pieces, count * sizeof(float)) == 0, level, "threads and pieces change no bit of it");
            if (twin && form < 2) {
                float *same = convolved(twin, 2, p, false, form);
                check(memcmp(few, same, count * sizeof(float)) == 0, level, "its bits are those of the plain twin");
                free(same);
            }
            free(few), free(pieces);
        }
        free(expected);
    }
}

/// Kernels that are built for each level from one body, beside loops that say what they are.
static void cells(const char *level) {
    enum { H = 4, W = 5, C = 150, SIDE = 3 };
    float *x = noise(H * W * C, 6), *w = noise(SIDE * SIDE * C, 7), *out = zeros(H * W * C / 2), *expected = zeros(H * W * C / 2);
    phasor_depthwise d = {
        .height = H, .width = W, .channels = C, .side = SIDE, .in = x, .weight = w, .out = out, .gated = true};
    for (size_t row = 0; row < H; row++) phasor_depthwise_row(&d, row, 0, C / 2);
    for (int i = 0; i < H * W * C / 2; i++) {
        double sum[2] = {0, 0};
        for (int half = 0; half < 2; half++)
            for (int tap = 0; tap < SIDE * SIDE; tap++) {
                int y = i / (C / 2) / W + tap / SIDE - 1, column = i / (C / 2) % W + tap % SIDE - 1;
                int c = i % (C / 2) + half * C / 2;
                if (y < 0 || y >= H || column < 0 || column >= W) continue;
                sum[half] += (double)x[(y * W + column) * C + c] * w[tap * C + c];
            }
        expected[i] = (float)(sum[0] * sum[1] / (1 + exp(-sum[1])));
    }
    check(distance(out, expected, H * W * C / 2) <= 1e-6, level, "a depthwise convolution is its sum");
    free(x), free(w), free(out), free(expected);

    enum { ROWS = 37, DIM = 40 };
    float *q = noise(ROWS * DIM, 8), *k = noise(ROWS * DIM, 9), *v = noise(ROWS * DIM, 10);
    float *sums = zeros((DIM + 1) * DIM), *y = zeros(ROWS * DIM), *plain = zeros(ROWS * DIM);
    phasor_linear_attention a = {
        .q = q, .k = k, .v = v, .out = y, .batch = 1, .rows = ROWS, .heads = 1, .head_dim = DIM, .stride = DIM,
        .head_stride = DIM, .out_stride = DIM};
    phasor_linear_attention_sum(&a, 0, sums);
    phasor_linear_attention_apply(&a, 0, 0, ROWS, sums);
    for (int i = 0; i < ROWS; i++) {
        double total = 1e-15, row[DIM] = {0};
        for (int j = 0; j < ROWS; j++) {
            double score = 0;
            for (int n = 0; n < DIM; n++) score += fmax(q[i * DIM + n], 0) * fmax(k[j * DIM + n], 0);
            total += score;
            for (int n = 0; n < DIM; n++) row[n] += score * v[j * DIM + n];
        }
        for (int n = 0; n < DIM; n++) plain[i * DIM + n] = (float)(row[n] / total);
    }
    check(distance(y, plain, ROWS * DIM) <= 1e-5, level, "linear attention is its sums");
    free(q), free(k), free(v), free(sums), free(y), free(plain);
}

/// Faults that a proof must find: the last row, the last column, or what c held is left out.
static const phasor_engine *sound;
static void lose_row(const phasor_tile *t) {
    phasor_tile less = *t;
    less.rows -= t->rows == sound->rows;
    sound->multiply(&less);
}
static void lose_column(const phasor_tile *t) {
    sound->multiply(t);
    if (t->columns == ENGINE_COLUMNS) t->c[ENGINE_COLUMNS - 1] += 1;
}
static void forget(const phasor_tile *t) {
    phasor_tile less = *t;
    less.accumulate = false;
    sound->multiply(&less);
}
static void lose_scale(const float *in, size_t count, float scale, void *out) {
    sound->pack(in, count, scale * 1.01f, out);
}

static void faults(const phasor_engine *e, const phasor_engine *twin, const char *level) {
    sound = e;
    phasor_engine bad[4] = {*e, *e, *e, *e};
    bad[0].multiply = lose_row, bad[1].multiply = lose_column, bad[2].multiply = forget, bad[3].pack = lose_scale;
    for (int i = 0; i < 4; i++) check(!phasor_engine_proves(bad + i, twin), level, "a faulty engine does not prove itself");
}

static bool first_alone(phasor_isa level) { return level <= 1; }
static bool none(phasor_isa level) { return (void)level, false; }

/// All that an engine of float32 or bf16 is used for.
static void float_engine(const phasor_engine *e, double tolerance, const char *name) {
    products(e, &phasor_engine_plain, tolerance, name);
    attention(e, NULL, &phasor_engine_plain, NULL, 2 * tolerance, "attention agrees with the plain twin's", name);
    not_numbers(e, NULL, name);
    convolution(e, NULL, 2 * tolerance, name);
    if (e != &phasor_engine_plain) faults(e, &phasor_engine_plain, name);
}

static void int8_engine(const phasor_engine *e, const char *name) {
    const phasor_engine *f32 = &phasor_engine_plain;
    products(e, &phasor_engine_int8_plain, 0, name);
    attention(f32, e, f32, &phasor_engine_int8_plain, 0, "scores of attention are the plain twin's", name);
    attention(f32, e, f32, NULL, 0.01, "scores of attention are near those of float32", name);
    not_numbers(f32, e, name);
    convolution(e, &phasor_engine_int8_plain, 0.012, name);
    faults(e, &phasor_engine_int8_plain, name);
}

int main(void) {
    phasor_isa top = phasor_isa_level();
    for (int level = top + 1; level <= (int)phasor_isa_last(); level++)
        check(phasor_isa_obstacle(level) != PHASOR_OBSTACLE_UNPROVEN, phasor_isa_name(level), "is not there, or not wanted");
    cells(phasor_isa_name(top));
    check(phasor_isa_choose(2, first_alone) == 1, "choice", "the next lower level serves");
    check(phasor_isa_choose(2, none) == PHASOR_ISA_PLAIN, "choice", "the plain level needs no proof");
    for (int level = 0; level <= (int)top; level++) {
        const char *name = phasor_isa_name((phasor_isa)level);
        const phasor_engine *f32 = phasor_engine_for((phasor_isa)level, false);
        const phasor_engine *bf16 = phasor_engine_for((phasor_isa)level, true);
        const phasor_engine *int8 = phasor_engine_int8((phasor_isa)level);
        char narrow[64];
        check(phasor_isa_obstacle(level) == PHASOR_OBSTACLE_NONE && phasor_isa_proves(level), name, "proves itself");
        float_engine(f32, 1e-6, name);
        snprintf(narrow, sizeof narrow, "%s bf16", name);
        if (bf16 != f32) float_engine(bf16, 4e-3, narrow);
        snprintf(narrow, sizeof narrow, "%s int8", name);
        if (int8 != &phasor_engine_int8_plain) int8_engine(int8, narrow);
    }
#if defined(__x86_64__)
    // Processors with VNNI choose other engines.
    if (top >= PHASOR_ISA_AVX2) int8_engine(&phasor_engine_int8_avx2, "avx2 int8 in pairs of 16 bits");
#endif
    // What no processor here may have: the same source over a model of its instructions.
    check(phasor_engine_proves(&phasor_engine_amx_bf16_model, &phasor_engine_plain), "amx model", "bf16 proves itself");
    check(phasor_engine_proves(&phasor_engine_int8_amx_model, &phasor_engine_int8_plain), "amx model", "int8 proves itself");
    float_engine(&phasor_engine_amx_bf16_model, 4e-3, "amx model bf16");
    int8_engine(&phasor_engine_int8_amx_model, "amx model int8");
    return failures > 0;
}
