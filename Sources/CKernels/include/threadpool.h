#pragma once
#include <stddef.h>
#include <stdint.h>

/// The one thread pool. All compute, C or Swift, runs as numbered work items on it.
///
/// Workers spin for a few microseconds after a batch and then sleep, so an idle pool costs nothing.
/// Items are claimed one at a time from a shared counter: a worker that is descheduled holds up only the
/// item it is on, so the pool keeps its fair share when other processes run.
typedef struct phasor_pool phasor_pool;

/// Runs one item. `worker` is in 0..<threads and no two items run with the same `worker` at the same time,
/// so it can index per-worker scratch memory.
typedef void (*phasor_task)(void *context, size_t item, int worker);

/// Where the workers of a pool run, the caller excepted. What the system refuses is left to it.
typedef struct phasor_placement {
    size_t words;           // of 64 processors in a mask
    const uint64_t *masks;  // [threads, words]: the processors of each worker
    uint64_t memory_nodes;  // that pages go to in turn which a worker is the first to touch, as a mask; 0: the worker's own.
                            // A policy that the process was started with (numactl) stays.
} phasor_placement;

/// A pool of `threads` workers, the caller of `phasor_pool_run` being one of them; NULL if threads cannot be made. `placement` may
/// be NULL.
phasor_pool *phasor_pool_create(int threads, const phasor_placement *placement);
void phasor_pool_destroy(phasor_pool *pool);
int phasor_pool_threads(const phasor_pool *pool);

/// Runs items 0..<count and returns when all are done. Calls from several threads take turns.
void phasor_pool_run(phasor_pool *pool, size_t count, phasor_task task, void *context);

/// Where the time of batches went, in nanoseconds since the pool was made.
typedef struct phasor_pool_times {
    uint64_t batches;  // from the beginnings to the ends of batches
    uint64_t working;  // of all workers together, on items
    uint64_t count;    // of batches
} phasor_pool_times;

/// To be asked for between batches.
phasor_pool_times phasor_pool_time(const phasor_pool *pool);

/// A batch, as it was done.
typedef struct phasor_batch {
    size_t items;
    uint64_t nanoseconds;
} phasor_batch;

/// From now on the next `capacity` batches are noted in `batches`; NULL for no more. Returns how many were noted so far.
size_t phasor_pool_note(phasor_pool *pool, phasor_batch *batches, size_t capacity);
