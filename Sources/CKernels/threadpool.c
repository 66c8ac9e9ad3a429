#include "threadpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { SPIN_ROUNDS = 2000 };

struct phasor_pool {
    int threads;
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
};

struct worker {
    phasor_pool *pool;
    int index;
};

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(phasor_pool *pool, int worker) {
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= pool->count) return;
        pool->task(pool->context, item, worker);
    }
}

static void *helper(void *argument) {
    struct worker *self = argument;
    phasor_pool *pool = self->pool;
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

phasor_pool *phasor_pool_create(int threads) {
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
    for (int i = 1; i < threads; i++) {
        pool->workers[i] = (struct worker){pool, i};
        if (pthread_create(&pool->handles[i], NULL, helper, &pool->workers[i]) != 0) break;
        pool->threads = i + 1;
    }
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

void phasor_pool_run(phasor_pool *pool, size_t count, phasor_task task, void *context) {
    if (count == 0) return;
    pthread_mutex_lock(&pool->turn);
    if (count == 1 || pool->threads == 1) {
        for (size_t i = 0; i < count; i++) task(context, i, 0);
        pthread_mutex_unlock(&pool->turn);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->next, 0);
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
    pthread_mutex_unlock(&pool->turn);
}
