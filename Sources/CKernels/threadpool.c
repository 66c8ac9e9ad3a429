#define _GNU_SOURCE  // affinity of threads
#include "threadpool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { SPIN_ROUNDS = 2000 };

struct phasor_pool {
    int threads;
    uint64_t memory_nodes;
    pthread_t *handles;
    struct worker *workers;

    pthread_mutex_t turn;  // one batch at a time
    pthread_mutex_t lock;
    pthread_cond_t start;
    pthread_cond_t finish;

    atomic_uint_fast64_t generation;  // a new value announces a batch
    atomic_bool stop;
    atomic_bool open;    // helpers may enter the batch
    atomic_int inside;   // helpers that are in it: a helper that slept through the batch is not waited for
    atomic_size_t next;  // the next unclaimed item
    size_t count;
    phasor_task task;
    void *context;

    uint64_t batch_time, batch_count;
    phasor_batch *notes;  // those of the next batches, if asked for
    size_t note_capacity, note_count;
};

struct worker {
    phasor_pool *pool;
    int index;
    uint64_t working;  // nanoseconds on items; written by the worker alone, before it leaves a batch
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(phasor_pool *pool, int worker) {
    uint64_t start = now();
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= pool->count) break;
        pool->task(pool->context, item, worker);
    }
    pool->workers[worker].working += now() - start;
}

/// Weights and sums are used by any worker: were pages to lie where the first one runs, the others would wait for that node.
static void spread_memory(uint64_t nodes) {
#if defined(__linux__)
    enum { DEFAULT = 0, INTERLEAVE = 3 };  // of linux/mempolicy.h
    int policy = DEFAULT;
    if (nodes && syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) == 0 && policy == DEFAULT)
        (void)syscall(SYS_set_mempolicy, INTERLEAVE, &nodes, 65);  // 64 nodes: the system takes one off
#else
    (void)nodes;
#endif
}

static void *helper(void *argument) {
    struct worker *self = argument;
    phasor_pool *pool = self->pool;
    spread_memory(pool->memory_nodes);
    uint_fast64_t seen = 0;
    for (;;) {
        for (int i = 0; i < SPIN_ROUNDS && atomic_load(&pool->generation) == seen; i++) relax();
        if (atomic_load(&pool->generation) == seen) {
            pthread_mutex_lock(&pool->lock);
            while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->start, &pool->lock);
            pthread_mutex_unlock(&pool->lock);
        }
        seen = atomic_load(&pool->generation);
        if (atomic_load(&pool->stop)) return NULL;
        atomic_fetch_add(&pool->inside, 1);
        if (atomic_load(&pool->open)) work(pool, self->index);
        if (atomic_fetch_sub(&pool->inside, 1) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finish);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void announce(phasor_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->generation, 1);
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
}

/// Starts a helper on its processors, or on any where the system has none of those.
static bool start(phasor_pool *pool, int index, const phasor_placement *placement) {
    pool->workers[index] = (struct worker){.pool = pool, .index = index};
    pthread_t *handle = &pool->handles[index];
#if defined(__linux__)
    pthread_attr_t attributes;
    if (placement && pthread_attr_init(&attributes) == 0) {
        const uint64_t *mask = placement->masks + (size_t)index * placement->words;
        bool done = pthread_attr_setaffinity_np(&attributes, placement->words * sizeof *mask, (const cpu_set_t *)mask) == 0
            && pthread_create(handle, &attributes, helper, &pool->workers[index]) == 0;
        pthread_attr_destroy(&attributes);
        if (done) return true;
    }
#endif
    return pthread_create(handle, NULL, helper, &pool->workers[index]) == 0;
}

phasor_pool *phasor_pool_create(int threads, const phasor_placement *placement) {
    if (threads < 1) threads = 1;
    phasor_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->handles = calloc((size_t)threads, sizeof *pool->handles);
    pool->workers = calloc((size_t)threads, sizeof *pool->workers);
    if (!pool->handles || !pool->workers) {
        free(pool->handles);
        free(pool->workers);
        free(pool);
        return NULL;
    }
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finish, NULL);
    pool->threads = 1;
    pool->memory_nodes = placement ? placement->memory_nodes : 0;
    while (pool->threads < threads && start(pool, pool->threads, placement)) pool->threads++;
    return pool;
}

void phasor_pool_destroy(phasor_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stop, true);
    announce(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->handles[i], NULL);
    pthread_mutex_destroy(&pool->turn);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->start);
    pthread_cond_destroy(&pool->finish);
    free(pool->handles);
    free(pool->workers);
    free(pool);
}

int phasor_pool_threads(const phasor_pool *pool) { return pool->threads; }

static void run(phasor_pool *pool, size_t count, phasor_task task, void *context) {
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->next, 0);
    if (count == 1 || pool->threads == 1) {
        work(pool, 0);
        return;
    }
    atomic_store(&pool->open, true);
    announce(pool);
    work(pool, 0);
    atomic_store(&pool->open, false);
    for (int i = 0; i < SPIN_ROUNDS && atomic_load(&pool->inside) > 0; i++) relax();
    if (atomic_load(&pool->inside) > 0) {
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->inside) > 0) pthread_cond_wait(&pool->finish, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
    }
}

void phasor_pool_run(phasor_pool *pool, size_t count, phasor_task task, void *context) {
    if (count == 0) return;
    pthread_mutex_lock(&pool->turn);
    uint64_t start = now();
    run(pool, count, task, context);
    uint64_t time = now() - start;
    pool->batch_time += time;
    pool->batch_count++;
    if (pool->note_count < pool->note_capacity) pool->notes[pool->note_count++] = (phasor_batch){count, time};
    pthread_mutex_unlock(&pool->turn);
}

phasor_pool_times phasor_pool_time(const phasor_pool *pool) {
    phasor_pool_times times = {.batches = pool->batch_time, .count = pool->batch_count};
    for (int i = 0; i < pool->threads; i++) times.working += pool->workers[i].working;
    return times;
}

size_t phasor_pool_note(phasor_pool *pool, phasor_batch *batches, size_t capacity) {
    pthread_mutex_lock(&pool->turn);
    size_t count = pool->note_count;
    pool->notes = batches;
    pool->note_capacity = batches ? capacity : 0;
    pool->note_count = 0;
    pthread_mutex_unlock(&pool->turn);
    return count;
}
