/* A sampled heap profiler for CPython 3.9 to 3.14: no Python.h, symbols looked up at run time, so that one library serves
   all of them. Compiled twice (build.py): plain, loaded by ctypes.PyDLL, and with -DSOAK_PRELOAD for LD_PRELOAD, when
   native allocations are wanted too: only that one exports a malloc. How it works: docs/heap-sampler.md.

   Threads: a hook may run with or without the GIL. Everything shared is behind one lock, taken only for the sampled
   allocations and for the free of what may be sampled; the rest costs a thread-local subtraction and one bit.
   Nothing here calls an allocator, raises, or takes a reference. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if !defined(__LP64__) || !defined(__linux__)
#error "soak_heap is for 64-bit Linux"
#endif

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define RARE __attribute__((noinline)) /* not cold: that would compile the sampled path for size */
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum domain { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ, PYTHON_DOMAINS, DOMAIN_MALLOC = PYTHON_DOMAINS, DOMAIN_MMAP };

#include "layout.h"
#include "memory.h"
#include "walk.h"
#include "bitmap.h"
#include "codes.h"
#include "stacks.h"
#include "samples.h"
#include "compact.h"

/* Initial-exec: the countdown is one instruction away, and reading it can never allocate. */
static __thread struct {
    int64_t countdown; /* bytes until the next sample */
    uint64_t random;
    uint32_t epoch;  /* the start() this countdown belongs to */
    uint8_t busy;    /* inside the sampler: a signal handler's allocations pass by */
    uint8_t ignored; /* the agent's own thread */
    int64_t kept;    /* countdown while ignored */
} mine __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int forking; /* a fork holds the lock: nobody may wait for it */
static _Atomic int active;
static _Atomic uint32_t epoch;
static _Atomic int in_flight; /* threads inside take_sample */
static _Atomic int cycle = -1;
static _Atomic double interval = 65536;
static uint32_t pins; /* samples taken out by a realloc under way: their stack numbers must stay */
static _Atomic uint32_t unpinned; /* of those, how many came back while a fork had the lock */
static struct {
    _Atomic uint64_t taken, dropped, foreign;
} counts;

#include "chance.h"

/* --- taking a sample -------------------------------------------------------------------------------------------- */

/* A thread's first allocation since start(): seeds its generator and draws its first countdown. */
static int first_in_epoch(void) {
    uint32_t now = atomic_load_explicit(&epoch, memory_order_acquire);
    struct timespec t;
    if (LIKELY(mine.epoch == now)) return 0;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (!mine.random) mine.random = mix(mix((uintptr_t)&mine, (uint64_t)t.tv_nsec), (uint64_t)t.tv_sec) | 1;
    mine.epoch = now;
    mine.countdown += draw(&mine.random, interval);
    return mine.countdown >= 0;
}

/* The lock, for the hooks. While a fork holds it nobody waits: the forking thread may itself be waiting, in another
   library's fork handler, for something that our caller holds. What could not be noted is a sample lost, or one that
   stays until its address is used again. */
static int lock_tables(void) {
    struct timespec until;
    if (LIKELY(!pthread_mutex_trylock(&lock))) return 1;
    do {
        if (atomic_load_explicit(&forking, memory_order_acquire)) return 0;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 1000000;
        if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    } while (pthread_mutex_timedlock(&lock, &until));
    return 1;
}

static int still_pinned(void) {
    uint32_t back = atomic_exchange_explicit(&unpinned, 0, memory_order_relaxed);
    pins -= back < pins ? back : pins;
    return pins != 0;
}

static void record(const struct sample *fresh, struct walk *w, uintptr_t caller) {
    struct sample s = *fresh;
    uint32_t stack;
    if (!lock_tables()) {
        counts.dropped++;
        return;
    }
    if (atomic_load_explicit(&active, memory_order_relaxed) && live.size) {
        if (UNLIKELY(atomic_exchange_explicit(&codes_doubtful, 0, memory_order_relaxed))) codes_clear();
        if (UNLIKELY(compact_due()) && !still_pinned()) compact();
        stack = intern_stack(w, caller);
        s.stack = stack - 1;
        if (!stack || !samples_put(&s)) counts.dropped++;
        else counts.taken++;
    }
    pthread_mutex_unlock(&lock);
}

/* The countdown has run out at this allocation. */
RARE static void take_sample(void *p, size_t size, enum domain domain, uintptr_t caller) {
    int error = errno;
    struct walk w;
    struct sample s = {(uintptr_t)p, size, 0, atomic_load_explicit(&cycle, memory_order_relaxed), domain, 0};
    if (mine.busy || mine.ignored || !atomic_load_explicit(&active, memory_order_acquire)) {
        mine.countdown = mine.ignored ? INT64_MAX : 65536;
        return;
    }
    if (first_in_epoch()) return;
    mine.busy = 1;
    atomic_fetch_add_explicit(&in_flight, 1, memory_order_acquire);
    if (atomic_load_explicit(&active, memory_order_acquire)) {
        mine.countdown = draw(&mine.random, interval);
        s.weight = (float)(1 / chance_of((double)size / interval));
        walk_stack(&w);
        record(&s, &w, caller);
        if (w.partial && !w.depth) counts.foreign++;
    }
    atomic_fetch_sub_explicit(&in_flight, 1, memory_order_release);
    mine.busy = 0;
    errno = error;
}

/* What is known of a pointer about to be freed goes first: the address may be another thread's a moment later. */
RARE static void forget(const void *p) {
    struct sample gone;
    int error = errno;
    if (mine.busy) { /* a signal handler inside the sampler: a sample stays until its address comes again */
        codes_doubtful = 1;
        return;
    }
    mine.busy = 1;
    if (lock_tables()) {
        samples_take((uintptr_t)p, &gone);
        code_gone((uintptr_t)p);
        pthread_mutex_unlock(&lock);
    } else {
        codes_doubtful = 1;
    }
    mine.busy = 0;
    errno = error;
}

/* For realloc: the sample is out while the block may move, and comes back when it did not (put_back). */
struct aside {
    struct sample sample;
    uint32_t epoch;
};

RARE static int set_aside(const void *p, struct aside *old) {
    int found = 0, error = errno;
    if (mine.busy) return 0;
    mine.busy = 1;
    if (lock_tables()) {
        if (samples_take((uintptr_t)p, &old->sample)) {
            old->epoch = epoch;
            found = 1;
            pins++;
        }
        pthread_mutex_unlock(&lock);
    }
    mine.busy = 0;
    errno = error;
    return found;
}

/* A stop() or start() in between has forgotten the stack that the sample names: then it is gone. */
RARE static void release(const struct aside *old, int put_back) {
    int error = errno;
    mine.busy = 1;
    if (lock_tables()) {
        if (live.size && old->epoch == epoch) {
            if (pins) pins--;
            if (put_back) samples_put(&old->sample);
        }
        pthread_mutex_unlock(&lock);
    } else {
        unpinned++;
    }
    mine.busy = 0;
    errno = error;
}

INLINE void allocated(void *p, size_t size, enum domain domain, uintptr_t caller) {
    if (LIKELY(p != NULL) && UNLIKELY((mine.countdown -= (int64_t)size) < 0)) take_sample(p, size, domain, caller);
}

INLINE void freeing(const void *p) {
    if (UNLIKELY(maybe_sampled(p))) forget(p);
}

#include "hooks.h"
#ifdef SOAK_PRELOAD
#include "native.h"
#endif
#include "dump.h"
#include "selftest.h"
#include "control.h"
