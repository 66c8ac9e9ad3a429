#include "elementwise.h"

#include <math.h>

#include "levels.h"

PHASOR_INLINE void phasor_epilogue_body(
    const float *tile, size_t tile_stride, size_t rows, size_t columns, const float *bias,
    phasor_activation activation, const float *residual, size_t residual_stride, const float *gate, float *out,
    size_t out_stride) {
    for (size_t r = 0; r < rows; r++) {
        const float *in = tile + r * tile_stride;
        float *o = out + r * out_stride;
        if (bias) {
            for (size_t c = 0; c < columns; c++) o[c] = in[c] + bias[c];
        } else {
            for (size_t c = 0; c < columns; c++) o[c] = in[c];
        }
        if (activation == PHASOR_SILU) {
            for (size_t c = 0; c < columns; c++) o[c] = o[c] * phasor_sigmoid(o[c]);
        } else if (activation == PHASOR_GELU_TANH) {
            for (size_t c = 0; c < columns; c++) o[c] = phasor_gelu_tanh(o[c]);
        } else if (activation == PHASOR_GELU) {
            for (size_t c = 0; c < columns; c++) o[c] = phasor_gelu(o[c]);
        } else if (activation == PHASOR_QUICK_GELU) {
            for (size_t c = 0; c < columns; c++) o[c] = phasor_quick_gelu(o[c]);
        } else if (activation == PHASOR_RELU) {
            for (size_t c = 0; c < columns; c++) o[c] = phasor_relu(o[c]);
        }
        if (residual) {
            const float *base = residual + r * residual_stride;
            if (gate) {
                for (size_t c = 0; c < columns; c++) o[c] = base[c] + gate[c] * o[c];
            } else {
                for (size_t c = 0; c < columns; c++) o[c] = base[c] + o[c];
            }
        }
    }
}
PHASOR_DISPATCH(
    phasor_epilogue,
    (const float *tile, size_t tile_stride, size_t rows, size_t columns, const float *bias, phasor_activation activation,
     const float *residual, size_t residual_stride, const float *gate, float *out, size_t out_stride),
    (tile, tile_stride, rows, columns, bias, activation, residual, residual_stride, gate, out, out_stride))

PHASOR_INLINE void phasor_activate_body(const float *x, float *out, size_t count, phasor_activation activation) {
    if (activation == PHASOR_SILU) {
        for (size_t i = 0; i < count; i++) out[i] = x[i] * phasor_sigmoid(x[i]);
    } else if (activation == PHASOR_GELU_TANH) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_gelu_tanh(x[i]);
    } else if (activation == PHASOR_GELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_gelu(x[i]);
    } else if (activation == PHASOR_QUICK_GELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_quick_gelu(x[i]);
    } else if (activation == PHASOR_RELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_relu(x[i]);
    } else {
        for (size_t i = 0; i < count; i++) out[i] = x[i];
    }
}
PHASOR_DISPATCH(
    phasor_activate,
    (const float *x, float *out, size_t count, phasor_activation activation),
    (x, out, count, activation))

PHASOR_INLINE void phasor_activate_multiply_body(
    const float *x, const float *y, float *out, size_t count, phasor_activation activation) {
    if (activation == PHASOR_SILU) {
        for (size_t i = 0; i < count; i++) out[i] = x[i] * phasor_sigmoid(x[i]) * y[i];
    } else if (activation == PHASOR_GELU_TANH) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_gelu_tanh(x[i]) * y[i];
    } else if (activation == PHASOR_GELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_gelu(x[i]) * y[i];
    } else if (activation == PHASOR_QUICK_GELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_quick_gelu(x[i]) * y[i];
    } else if (activation == PHASOR_RELU) {
        for (size_t i = 0; i < count; i++) out[i] = phasor_relu(x[i]) * y[i];
    } else {
        for (size_t i = 0; i < count; i++) out[i] = x[i] * y[i];
    }
}
PHASOR_DISPATCH(
    phasor_activate_multiply,
    (const float *x, const float *y, float *out, size_t count, phasor_activation activation),
    (x, y, out, count, activation))

enum { LANES = 16 };

/// Sums in sixteen lanes, then over the lanes in one fixed order: vectorises without reassociation.
PHASOR_INLINE float reduce(const float *lanes) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += lanes[i];
    return sum;
}

PHASOR_INLINE float sum_of(const float *x, size_t count) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += x[i + l];
    for (int l = 0; i < count; i++, l++) lanes[l] += x[i];
    return reduce(lanes);
}

PHASOR_INLINE float squares_of(const float *x, size_t count, float mean) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float d = x[i + l] - mean;
            lanes[l] += d * d;
        }
    for (int l = 0; i < count; i++, l++) {
        float d = x[i] - mean;
        lanes[l] += d * d;
    }
    return reduce(lanes);
}

PHASOR_INLINE void phasor_layer_norm_body(
    const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *bias,
    const float *scale, const float *shift) {
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * columns;
        float *o = out + r * columns;
        float mean = sum_of(in, columns) / (float)columns;
        float variance = squares_of(in, columns, mean) / (float)columns;
        float factor = 1.0f / sqrtf(variance + eps);
        for (size_t c = 0; c < columns; c++) o[c] = (in[c] - mean) * factor;
        if (weight)
            for (size_t c = 0; c < columns; c++) o[c] = o[c] * weight[c];
        if (bias)
            for (size_t c = 0; c < columns; c++) o[c] = o[c] + bias[c];
        if (scale)
            for (size_t c = 0; c < columns; c++) o[c] = o[c] * (1.0f + scale[c]) + shift[c];
    }
}
PHASOR_DISPATCH(
    phasor_layer_norm,
    (const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *bias,
     const float *scale, const float *shift),
    (x, out, rows, columns, eps, weight, bias, scale, shift))

PHASOR_INLINE void phasor_rms_norm_body(
    const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *residual) {
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * columns;
        float *o = out + r * columns;
        float factor = 1.0f / sqrtf(squares_of(in, columns, 0) / (float)columns + eps);
        if (residual) {
            const float *base = residual + r * columns;
            for (size_t c = 0; c < columns; c++) o[c] = base[c] + in[c] * factor * weight[c];
        } else {
            for (size_t c = 0; c < columns; c++) o[c] = in[c] * factor * weight[c];
        }
    }
}
PHASOR_DISPATCH(
    phasor_rms_norm,
    (const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *residual),
    (x, out, rows, columns, eps, weight, residual))

PHASOR_INLINE void phasor_channel_norm_body(
    const float *x, float *out, size_t rows, size_t columns, const float *gamma, phasor_activation activation) {
    float root = sqrtf((float)columns);
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * columns;
        float *o = out + r * columns;
        float length = sqrtf(squares_of(in, columns, 0));
        float factor = root / (length > 1e-12f ? length : 1e-12f);
        for (size_t c = 0; c < columns; c++) o[c] = in[c] * factor * gamma[c];
        if (activation == PHASOR_SILU)
            for (size_t c = 0; c < columns; c++) o[c] = o[c] * phasor_sigmoid(o[c]);
    }
}
PHASOR_DISPATCH(
    phasor_channel_norm,
    (const float *x, float *out, size_t rows, size_t columns, const float *gamma, phasor_activation activation),
    (x, out, rows, columns, gamma, activation))

PHASOR_INLINE void phasor_group_moments_body(
    const float *x, size_t rows, size_t channels, size_t groups, float *buffer, float *means, float *squares) {
    float *sums = buffer, *centres = buffer + channels;
    size_t width = channels / groups;
    for (size_t c = 0; c < channels; c++) sums[c] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++) sums[c] += x[r * channels + c];
    for (size_t g = 0; g < groups; g++) {
        float sum = 0;
        for (size_t c = g * width; c < (g + 1) * width; c++) sum += sums[c];
        means[g] = sum / (float)(rows * width);
        for (size_t c = g * width; c < (g + 1) * width; c++) centres[c] = means[g];
    }
    for (size_t c = 0; c < channels; c++) sums[c] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++) {
            float d = x[r * channels + c] - centres[c];
            sums[c] += d * d;
        }
    for (size_t g = 0; g < groups; g++) {
        squares[g] = 0;
        for (size_t c = g * width; c < (g + 1) * width; c++) squares[g] += sums[c];
    }
}
PHASOR_DISPATCH(
    phasor_group_moments,
    (const float *x, size_t rows, size_t channels, size_t groups, float *buffer, float *means, float *squares),
    (x, rows, channels, groups, buffer, means, squares))

PHASOR_INLINE void phasor_scale_shift_body(
    const float *x, float *out, size_t rows, size_t channels, const float *scale, const float *shift,
    phasor_activation activation) {
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + r * channels;
        float *o = out + r * channels;
        if (activation == PHASOR_SILU) {
            for (size_t c = 0; c < channels; c++) {
                float y = in[c] * scale[c] + shift[c];
                o[c] = y * phasor_sigmoid(y);
            }
        } else {
            for (size_t c = 0; c < channels; c++) o[c] = in[c] * scale[c] + shift[c];
            if (activation == PHASOR_GELU_TANH)
                for (size_t c = 0; c < channels; c++) o[c] = phasor_gelu_tanh(o[c]);
            if (activation == PHASOR_GELU)
                for (size_t c = 0; c < channels; c++) o[c] = phasor_gelu(o[c]);
            if (activation == PHASOR_QUICK_GELU)
                for (size_t c = 0; c < channels; c++) o[c] = phasor_quick_gelu(o[c]);
            if (activation == PHASOR_RELU)
                for (size_t c = 0; c < channels; c++) o[c] = phasor_relu(o[c]);
        }
    }
}
PHASOR_DISPATCH(
    phasor_scale_shift,
    (const float *x, float *out, size_t rows, size_t channels, const float *scale, const float *shift,
     phasor_activation activation),
    (x, out, rows, channels, scale, shift, activation))

PHASOR_INLINE void phasor_rope_pairs_body(
    const float *x, float *out, size_t rows, size_t heads, size_t head_dim, const float *cosine, const float *sine) {
    size_t pairs = head_dim / 2;
    for (size_t r = 0; r < rows; r++) {
        const float *c = cosine + r * pairs, *s = sine + r * pairs;
        for (size_t h = 0; h < heads; h++) {
            const float *in = x + (r * heads + h) * head_dim;
            float *o = out + (r * heads + h) * head_dim;
            for (size_t j = 0; j < pairs; j++) {
                float a = in[2 * j], b = in[2 * j + 1];
                o[2 * j] = a * c[j] - b * s[j];
                o[2 * j + 1] = a * s[j] + b * c[j];
            }
        }
    }
}
PHASOR_DISPATCH(
    phasor_rope_pairs,
    (const float *x, float *out, size_t rows, size_t heads, size_t head_dim, const float *cosine, const float *sine),
    (x, out, rows, heads, head_dim, cosine, sine))

PHASOR_INLINE void phasor_rms_rope_pairs_body(
    const float *x, float *out, size_t heads, size_t head_dim, float eps, const float *weight, const float *cosine,
    const float *sine) {
    size_t columns = heads * head_dim;
    float factor = 1.0f / sqrtf(squares_of(x, columns, 0) / (float)columns + eps);
    for (size_t h = 0; h < columns; h += head_dim) {
        for (size_t j = 0; j < head_dim / 2; j++) {
            float a = x[h + 2 * j] * factor * weight[h + 2 * j];
            float b = x[h + 2 * j + 1] * factor * weight[h + 2 * j + 1];
            out[h + 2 * j] = a * cosine[j] - b * sine[j];
            out[h + 2 * j + 1] = a * sine[j] + b * cosine[j];
        }
    }
}
PHASOR_DISPATCH(
    phasor_rms_rope_pairs,
    (const float *x, float *out, size_t heads, size_t head_dim, float eps, const float *weight, const float *cosine,
     const float *sine),
    (x, out, heads, head_dim, eps, weight, cosine, sine))
