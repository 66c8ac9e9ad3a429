#pragma once
#include <stddef.h>

/// Sixteen floats that lie anywhere. Compilers make of them what a level has: one register, or several.
typedef float phasor_lanes __attribute__((vector_size(64), aligned(4), may_alias));

enum { LANE_COUNT = 16 };
