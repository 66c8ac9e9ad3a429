#pragma once
#include <stdbool.h>

#include "include/gemm.h"
#include "include/isa.h"

/// Whether an engine gives the bits of its plain twin on products of whole numbers, tiles of every size among them.
bool phasor_engine_proves(const phasor_engine *engine, const phasor_engine *twin);

/// Whether all engines of a level prove themselves.
bool phasor_isa_proves(phasor_isa level);

/// The highest level, `highest` or below, that proves itself; the plain one needs no proof.
phasor_isa phasor_isa_choose(phasor_isa highest, bool (*proves)(phasor_isa));
