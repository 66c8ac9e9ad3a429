#pragma once
#include <stddef.h>

/// What a matrix product does with its result before it is stored.
typedef enum phasor_activation {
    PHASOR_IDENTITY = 0,
    PHASOR_SILU = 1,      // x sigmoid(x)
    PHASOR_GELU_TANH = 2,   // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    PHASOR_GELU = 3,        // 0.5 x (1 + erf(x / sqrt(2)))
    PHASOR_QUICK_GELU = 4,  // x sigmoid(1.702 x)
    PHASOR_RELU = 5         // max(x, 0)
} phasor_activation;

/// out[r, c] = activation(tile[r, c] + bias[c]), then, with a residual, residual[r, c] + gate[c] * that.
/// `tile` is [rows, columns] with row stride `tile_stride`; bias, residual and gate may be NULL (gate then counts as 1).
void phasor_epilogue(
    const float *tile, size_t tile_stride, size_t rows, size_t columns, const float *bias,
    phasor_activation activation, const float *residual, size_t residual_stride, const float *gate, float *out,
    size_t out_stride);

/// out[i] = activation(x[i]).
void phasor_activate(const float *x, float *out, size_t count, phasor_activation activation);

/// out[i] = activation(x[i]) * y[i]: the gated MLP.
void phasor_activate_multiply(
    const float *x, const float *y, float *out, size_t count, phasor_activation activation);

/// LayerNorm of each row of x [rows, columns]: (x - mean) / sqrt(variance + eps), then * weight + bias (NULL: none), then
/// * (1 + scale) + shift (NULL: none). Variance is the biased one.
void phasor_layer_norm(
    const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *bias,
    const float *scale, const float *shift);

/// RMS norm of each row: x / sqrt(mean(x^2) + eps) * weight, then + residual (NULL: none), which is like x.
void phasor_rms_norm(
    const float *x, float *out, size_t rows, size_t columns, float eps, const float *weight, const float *residual);

/// The VAE's channel norm of each row: x / max(|x|_2, 1e-12) * sqrt(columns) * gamma, then the activation.
void phasor_channel_norm(
    const float *x, float *out, size_t rows, size_t columns, const float *gamma, phasor_activation activation);

/// What a group norm needs to know of some rows of x [rows, channels]: for each group of channels / groups neighbouring ones
/// the mean, and the sum of the squared distances from it. Both are [groups]; `buffer` is [2 channels], for use meanwhile.
void phasor_group_moments(
    const float *x, size_t rows, size_t channels, size_t groups, float *buffer, float *means, float *squares);

/// out[r, c] = activation(x[r, c] scale[c] + shift[c]).
void phasor_scale_shift(
    const float *x, float *out, size_t rows, size_t channels, const float *scale, const float *shift,
    phasor_activation activation);

/// Rotary embedding on adjacent pairs: row r, head h, pair j of x [rows, heads * head_dim] is turned by the angle whose
/// cosine and sine lie at [r, j] of the tables [rows, head_dim / 2].
void phasor_rope_pairs(
    const float *x, float *out, size_t rows, size_t heads, size_t head_dim, const float *cosine, const float *sine);

/// One row [heads * head_dim] through RMS norm and rotary embedding: cosine and sine [head_dim / 2].
void phasor_rms_rope_pairs(
    const float *x, float *out, size_t heads, size_t head_dim, float eps, const float *weight, const float *cosine,
    const float *sine);
