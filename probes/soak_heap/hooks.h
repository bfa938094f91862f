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

static struct allocator original[PYTHON_DOMAINS];
static size_t unguarded[PYTHON_DOMAINS]; /* up to this size the allocator below does not call another hooked one */

INLINE void *hook_malloc(enum domain d, void *ctx, size_t n) {
    void *p;
    if (LIKELY(n <= unguarded[d])) {
        p = original[d].malloc(ctx, n);
    } else {
        mine.guard++;
        p = original[d].malloc(ctx, n);
        mine.guard--;
    }
    allocated(p, n, d, 0);
    return p;
}

INLINE void *hook_calloc(enum domain d, void *ctx, size_t n, size_t each) {
    void *p;
    mine.guard++;
    p = original[d].calloc(ctx, n, each);
    mine.guard--;
    allocated(p, n * each, d, 0);
    return p;
}

INLINE void *hook_realloc(enum domain d, void *ctx, void *old, size_t n) {
    struct sample aside;
    void *p;
    int found = UNLIKELY(maybe_sampled(old)) && set_aside(old, &aside);
    mine.guard++;
    p = original[d].realloc(ctx, old, n);
    mine.guard--;
    if (UNLIKELY(found)) release(&aside, !p);
    allocated(p, n, d, 0);
    return p;
}

INLINE void hook_free(enum domain d, void *ctx, void *p) {
    freeing(p);
    original[d].free(ctx, p);
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
