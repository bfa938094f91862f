/* The hooks of CPython's three domains (PyMem_SetAllocator; the struct is the same since 3.5).
   A hook gets the context of the allocator it wraps and passes it on: a thread that reads the raw domain's struct
   while it is being replaced sees old or new functions, and both understand the context. */
#ifndef SOAK_HOOKS_H
#define SOAK_HOOKS_H

struct allocator {
    void *ctx;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

static struct {
    struct allocator to; /* what the hook wraps */
    size_t pools;        /* up to this size it serves from its own pools and calls no other hooked allocator */
} wrapped[PYTHON_DOMAINS];

/* While a wrapped allocator that may call another hooked one runs, the countdown stands out of reach: the inner hook
   neither samples nor counts, so a block is counted once, and the fast path needs no check of its own for it. */
#define GUARDED(call) \
    do { \
        int64_t kept = mine.countdown; \
        mine.countdown = INT64_MAX; \
        call; \
        mine.countdown = kept; \
    } while (0)

RARE static void *sampled_malloc(enum domain d, void *ctx, size_t n) {
    void *p;
    GUARDED(p = wrapped[d].to.malloc(ctx, n));
    if (p) take_sample(p, n, d, 0);
    return p;
}

RARE static void *sampled_calloc(enum domain d, void *ctx, size_t n, size_t each) {
    void *p;
    GUARDED(p = wrapped[d].to.calloc(ctx, n, each));
    if (p) take_sample(p, n * each, d, 0);
    return p;
}

__attribute__((noinline)) static void *guarded_malloc(enum domain d, void *ctx, size_t n) {
    void *p;
    GUARDED(p = wrapped[d].to.malloc(ctx, n));
    allocated(p, n, d, 0);
    return p;
}

__attribute__((noinline)) static void *guarded_calloc(enum domain d, void *ctx, size_t n, size_t each) {
    void *p;
    GUARDED(p = wrapped[d].to.calloc(ctx, n, each));
    allocated(p, n * each, d, 0);
    return p;
}

RARE static void *sampled_realloc(enum domain d, void *ctx, void *old, size_t n) {
    struct aside aside;
    void *p;
    int found = set_aside(old, &aside);
    GUARDED(p = wrapped[d].to.realloc(ctx, old, n));
    if (found) release(&aside, !p);
    allocated(p, n, d, 0);
    return p;
}

RARE static void forget_and_free(enum domain d, void *ctx, void *p) {
    forget(p);
    wrapped[d].to.free(ctx, p);
}

/* The common case: one comparison, one thread-local subtraction, and a jump to the wrapped function. */
INLINE void *hook_malloc(enum domain d, void *ctx, size_t n) {
    if (UNLIKELY(n > wrapped[d].pools)) return guarded_malloc(d, ctx, n);
    if (UNLIKELY((mine.countdown -= (int64_t)n) < 0)) return sampled_malloc(d, ctx, n);
    return wrapped[d].to.malloc(ctx, n);
}

INLINE void *hook_calloc(enum domain d, void *ctx, size_t n, size_t each) {
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(n, each, &bytes)) || UNLIKELY(bytes > wrapped[d].pools))
        return guarded_calloc(d, ctx, n, each);
    if (UNLIKELY((mine.countdown -= (int64_t)bytes) < 0)) return sampled_calloc(d, ctx, n, each);
    return wrapped[d].to.calloc(ctx, n, each);
}

/* Even a small block may come from the raw domain, when it was a large one before: always guarded. */
INLINE void *hook_realloc(enum domain d, void *ctx, void *old, size_t n) {
    void *p;
    if (UNLIKELY(maybe_sampled(old))) return sampled_realloc(d, ctx, old, n);
    GUARDED(p = wrapped[d].to.realloc(ctx, old, n));
    allocated(p, n, d, 0);
    return p;
}

INLINE void hook_free(enum domain d, void *ctx, void *p) {
    if (UNLIKELY(maybe_sampled(p))) return forget_and_free(d, ctx, p);
    wrapped[d].to.free(ctx, p);
}

#define HOOKS(NAME, D) \
    static void *NAME##_malloc(void *ctx, size_t n) { return hook_malloc(D, ctx, n); } \
    static void *NAME##_calloc(void *ctx, size_t n, size_t each) { return hook_calloc(D, ctx, n, each); } \
    static void *NAME##_realloc(void *ctx, void *p, size_t n) { return hook_realloc(D, ctx, p, n); } \
    static void NAME##_free(void *ctx, void *p) { hook_free(D, ctx, p); }

HOOKS(raw, DOMAIN_RAW)
HOOKS(mem, DOMAIN_MEM)
HOOKS(obj, DOMAIN_OBJ)

static const struct allocator hooked[PYTHON_DOMAINS] = {
    {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
    {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
    {NULL, obj_malloc, obj_calloc, obj_realloc, obj_free},
};

#endif
