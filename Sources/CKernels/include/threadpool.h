#pragma once
#include <stddef.h>

/// The one thread pool. All compute, C or Swift, runs as numbered work items on it.
///
/// Workers spin for a few microseconds after a batch and then sleep, so an idle pool costs nothing.
/// Items are claimed one at a time from a shared counter: a worker that is descheduled holds up only the
/// item it is on, so the pool keeps its fair share when other processes run.
typedef struct phasor_pool phasor_pool;

/// Runs one item. `worker` is in 0..<threads and no two items run with the same `worker` at the same time,
/// so it can index per-worker scratch memory.
typedef void (*phasor_task)(void *context, size_t item, int worker);

/// A pool of `threads` workers, the caller of `phasor_pool_run` being one of them; NULL if threads cannot be made.
phasor_pool *phasor_pool_create(int threads);
void phasor_pool_destroy(phasor_pool *pool);
int phasor_pool_threads(const phasor_pool *pool);

/// Runs items 0..<count and returns when all are done. Calls from several threads take turns.
void phasor_pool_run(phasor_pool *pool, size_t count, phasor_task task, void *context);
