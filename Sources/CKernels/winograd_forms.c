#include <string.h>

#include "engine.h"
#include "levels.h"
#include "winograd.h"

// The sums and differences of Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308), which takes the product of two
// polynomials by their values at points. Three taps and outputs in a row by two have the points 0, 1, -1 and infinity, by
// four 0, +-5/8, +-3/2 and infinity: whole numbers there, as they are published, would more than double the error in float32,
// which is 1 to 2 times the taps' own. All constants are exact in float32 but for those of the weights, which are rounded once.

static const float NEAR = 0.625f, FAR = 1.5f;
static const float NEAR2 = 0.390625f, FAR2 = 2.25f;          // squared
static const float NEAR3 = 0.244140625f, FAR3 = 3.375f;      // to the third
static const float BOTH = 2.640625f, PRODUCT = 0.87890625f;  // NEAR2 + FAR2, NEAR2 FAR2

/// Three taps in a row, `apart` from each other, at four frequencies.
static void spread2(const double *in, size_t apart, double *out, size_t out_apart) {
    double ends = in[0] + in[2 * apart];
    out[0] = in[0];
    out[out_apart] = (ends + in[apart]) / 2;
    out[2 * out_apart] = (ends - in[apart]) / 2;
    out[3 * out_apart] = in[2 * apart];
}

/// The same at six, divided by what the inputs' polynomials leave out.
static void spread4(const double *in, size_t apart, double *out, size_t out_apart) {
    double a = NEAR2, b = FAR2, near = 2 * a * (a - b), far = 2 * b * (b - a);
    out[0] = in[0] / PRODUCT;
    out[out_apart] = (in[0] + NEAR * in[apart] + a * in[2 * apart]) / near;
    out[2 * out_apart] = (in[0] - NEAR * in[apart] + a * in[2 * apart]) / near;
    out[3 * out_apart] = (in[0] + FAR * in[apart] + b * in[2 * apart]) / far;
    out[4 * out_apart] = (in[0] - FAR * in[apart] + b * in[2 * apart]) / far;
    out[5 * out_apart] = in[2 * apart];
}

/// Eight channels at a time.
typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));
enum { LANES = 8 };

PHASOR_INLINE void split2(const lanes *in, lanes *out) {
    out[0] = in[0] - in[2];
    out[1] = in[1] + in[2];
    out[2] = in[2] - in[1];
    out[3] = in[1] - in[3];
}

PHASOR_INLINE void split4(const lanes *in, lanes *out) {
    lanes even = in[4] - FAR2 * in[2], odd = NEAR * (in[3] - FAR2 * in[1]);
    out[1] = even + odd;
    out[2] = even - odd;
    even = in[4] - NEAR2 * in[2];
    odd = FAR * (in[3] - NEAR2 * in[1]);
    out[3] = even + odd;
    out[4] = even - odd;
    out[0] = PRODUCT * in[0] - BOTH * in[2] + in[4];
    out[5] = PRODUCT * in[1] - BOTH * in[3] + in[5];
}

PHASOR_INLINE void join2(const lanes *in, lanes *out) {
    out[0] = in[0] + in[1] + in[2];
    out[1] = in[1] - in[2] - in[3];
}

PHASOR_INLINE void join4(const lanes *in, lanes *out) {
    lanes near = in[1] + in[2], far = in[3] + in[4];
    out[0] = in[0] + near + far;
    out[2] = NEAR2 * near + FAR2 * far;
    near = in[1] - in[2];
    far = in[3] - in[4];
    out[1] = NEAR * near + FAR * far;
    out[3] = NEAR3 * near + FAR3 * far + in[5];
}

/// Unrolls the loop that follows: what it indexes is in registers then.
#if defined(__clang__)
#define WHOLLY _Pragma("clang loop unroll(full)")
#else
#define WHOLLY
#endif

typedef void spread(const double *in, size_t apart, double *out, size_t out_apart);
typedef void line(const lanes *in, lanes *out);

PHASOR_INLINE void weights(const double *taps, double *out, spread *along, int side) {
    double half[3 * WINOGRAD_MOST_SIDE];
    for (int x = 0; x < 3; x++) along(taps + x, 3, half + x, 3);
    for (int y = 0; y < side; y++) along(half + 3 * y, 1, out + side * y, 1);
}

/// `count` channels of one square.
PHASOR_INLINE void forward_lanes(
    const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart, line *split, int side,
    size_t count) {
    lanes half[WINOGRAD_MOST_SIDE][WINOGRAD_MOST_SIDE], values[WINOGRAD_MOST_SIDE] = {0}, turned[WINOGRAD_MOST_SIDE];
    WHOLLY for (int x = 0; x < side; x++) {
        WHOLLY for (int y = 0; y < side; y++) memcpy(values + y, in + y * row + x * channels, count * sizeof(float));
        split(values, turned);
        WHOLLY for (int y = 0; y < side; y++) half[y][x] = turned[y];
    }
    WHOLLY for (int y = 0; y < side; y++) {
        split(half[y], turned);
        WHOLLY for (int x = 0; x < side; x++) memcpy(out + (side * y + x) * apart, turned + x, count * sizeof(float));
    }
}

PHASOR_INLINE void forward(
    const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart, line *split, int side) {
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES) forward_lanes(in + c, row, channels, out + c, apart, split, side, LANES);
    if (c < channels) forward_lanes(in + c, row, channels, out + c, apart, split, side, channels - c);
}

PHASOR_INLINE void backward(
    const float *restrict in, size_t apart, size_t columns, float *restrict out, size_t row, line *join, int side,
    int outputs) {
    for (size_t c = 0; c < columns; c += LANES) {
        lanes half[WINOGRAD_MOST_SIDE][WINOGRAD_MOST_SIDE], values[WINOGRAD_MOST_SIDE], turned[WINOGRAD_MOST_SIDE];
        WHOLLY for (int x = 0; x < side; x++) {
            WHOLLY for (int y = 0; y < side; y++) values[y] = *(const lanes *)(in + (side * y + x) * apart + c);
            join(values, turned);
            WHOLLY for (int y = 0; y < outputs; y++) half[y][x] = turned[y];
        }
        WHOLLY for (int y = 0; y < outputs; y++) {
            join(half[y], turned);
            WHOLLY for (int x = 0; x < outputs; x++) *(lanes *)(out + y * row + x * ENGINE_COLUMNS + c) = turned[x];
        }
    }
}

// The transforms of squares of N x N outputs, built for each level.
#define FORWARD (const float *restrict in, size_t row, size_t channels, float *restrict out, size_t apart)
#define BACKWARD (const float *restrict in, size_t apart, size_t columns, float *restrict out, size_t row)
#define FORM(n, side_of_inputs)                                                                              \
    static void weights##n(const double *taps, double *out) { weights(taps, out, spread##n, side_of_inputs); } \
    PHASOR_INLINE void phasor_winograd_forward##n##_body FORWARD {                                           \
        forward(in, row, channels, out, apart, split##n, side_of_inputs);                                    \
    }                                                                                                        \
    PHASOR_DISPATCH(phasor_winograd_forward##n, FORWARD, (in, row, channels, out, apart))                    \
    PHASOR_INLINE void phasor_winograd_backward##n##_body BACKWARD {                                         \
        backward(in, apart, columns, out, row, join##n, side_of_inputs, n);                                  \
    }                                                                                                        \
    PHASOR_DISPATCH(phasor_winograd_backward##n, BACKWARD, (in, apart, columns, out, row))
FORM(2, 4)
FORM(4, 6)

const winograd_form *winograd_form_of(size_t outputs) {
    static const winograd_form two = {2, 16, 60, weights2, phasor_winograd_forward2, phasor_winograd_backward2};
    static const winograd_form four = {4, 36, 36, weights4, phasor_winograd_forward4, phasor_winograd_backward4};
    return outputs == 2 ? &two : outputs == 4 ? &four : NULL;
}
