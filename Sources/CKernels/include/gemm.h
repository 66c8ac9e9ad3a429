#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "elementwise.h"
#include "format.h"
#include "isa.h"
#include "threadpool.h"

/// How products are computed: packed type and instructions. See engine.h.
typedef struct phasor_engine phasor_engine;

/// The engine for a level: bf16 operands with float32 sums where asked for and where the processor has them, else float32. A level
/// that the processor lacks is not to be asked for, except AMX: its engines then run over a model of the tile instructions in plain
/// C, for tests.
const phasor_engine *phasor_engine_for(phasor_isa level, bool bf16);

/// The engine for products of operands that are rounded to int8, 256 values along K with one scale: not for attention or
/// convolution. It gives the same sums at every level; where phasor_isa_has_int8 says no, it is plain C, and slow.
const phasor_engine *phasor_engine_int8(phasor_isa level);

/// out = activation(x w^T + bias), then, with a residual, residual + gate * that.
///   x         [m, k] float32
///   w         [n, k] in `format`, row after row, unaligned: read where it lies
///   scales    NULL, or `scale_count` = 1 or n factors of the rows of w
///   bias      [n] or NULL
///   residual  [m, n] or NULL; gate NULL or [ceil(m / gate_rows), n], each row serving gate_rows rows
///   out       [m, n], apart from all inputs
typedef struct phasor_gemm {
    size_t m, n, k;
    const float *x;
    phasor_format format;
    const void *w;
    const float *scales;
    size_t scale_count;
    const float *bias;
    phasor_activation activation;
    const float *residual;
    const float *gate;
    size_t gate_rows;
    float *out;
} phasor_gemm;

/// Bytes of 64-byte aligned scratch memory that the products need.
size_t phasor_gemm_scratch(const phasor_engine *engine, const phasor_gemm *works, size_t count, int threads);

/// `count` >= 1 products of one x: their m, k and x are the same. Each element is summed over k in one order whatever m, its row, or
/// the number of threads and products.
void phasor_gemm_run(
    phasor_pool *pool, const phasor_engine *engine, const phasor_gemm *works, size_t count, void *scratch);
