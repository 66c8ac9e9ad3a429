#pragma once
#include <stdint.h>

// The points that groups of values are chosen from in the IQ types: eight coordinates of two bits, or four of four bits,
// each the place of a value in the type's own list (blocks_iq.c).
extern const uint16_t phasor_grid_iq2_xxs[256], phasor_grid_iq2_xs[512], phasor_grid_iq2_s[1024];
extern const uint16_t phasor_grid_iq3_xxs[256], phasor_grid_iq3_s[512];
extern const uint16_t phasor_grid_iq1[2048];
