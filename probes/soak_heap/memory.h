/* Memory of the sampler's own: anonymous pages straight from the kernel, so that no hook ever calls an allocator.
   Everything is counted in own_total (bytes), which is what own_bytes() reports to the user. */
#ifndef SOAK_MEMORY_H
#define SOAK_MEMORY_H

static _Atomic size_t own_total;

static size_t page_round(size_t bytes) { return (bytes + 4095) & ~(size_t)4095; }

/* The system calls are made directly: under LD_PRELOAD mmap() is our own hook. (The sanitizers have to see them.) */
#ifdef SOAK_SANITIZED
#define KERNEL_MMAP(bytes) mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
#define KERNEL_MUNMAP(p, bytes) munmap(p, bytes)
#else
#define KERNEL_MMAP(bytes) \
    (void *)syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L)
#define KERNEL_MUNMAP(p, bytes) syscall(SYS_munmap, p, bytes)
#endif

/* Zeroed pages, or NULL. */
static void *own_map(size_t bytes) {
    void *p = KERNEL_MMAP(page_round(bytes));
    if (p == MAP_FAILED) return NULL;
    atomic_fetch_add_explicit(&own_total, page_round(bytes), memory_order_relaxed);
    return p;
}

static void own_unmap(void *p, size_t bytes) {
    if (!p) return;
    KERNEL_MUNMAP(p, page_round(bytes));
    atomic_fetch_sub_explicit(&own_total, page_round(bytes), memory_order_relaxed);
}

/* A growing array of bytes. */
struct vec {
    char *data;
    size_t used, cap;
};

/* Makes room for `more` bytes behind the used ones; 0 when the kernel has no memory (the sample is then dropped). */
static int vec_reserve(struct vec *v, size_t more) {
    size_t want = v->used + more, cap = v->cap ? v->cap : 16384;
    char *p;
    if (want <= v->cap) return 1;
    while (cap < want) cap *= 2;
    cap = page_round(cap);
    if (!(p = own_map(cap))) return 0;
    if (v->used) memcpy(p, v->data, v->used);
    own_unmap(v->data, v->cap);
    v->data = p;
    v->cap = cap;
    return 1;
}

static void vec_free(struct vec *v) {
    own_unmap(v->data, v->cap);
    memset(v, 0, sizeof *v);
}

/* An open-addressed index: slots hold (item number + 1), 0 is empty. The caller keeps the hash of each item. */
struct index {
    uint32_t *slot;
    uint32_t size, count;
};

static int index_alloc(struct index *ix, uint32_t size) {
    ix->slot = own_map((size_t)size * 4);
    ix->size = size;
    ix->count = 0;
    return ix->slot != NULL;
}

static void index_free(struct index *ix) {
    own_unmap(ix->slot, (size_t)ix->size * 4);
    memset(ix, 0, sizeof *ix);
}

static void index_put(struct index *ix, uint64_t hash, uint32_t item) {
    uint32_t i = (uint32_t)hash & (ix->size - 1);
    while (ix->slot[i]) i = (i + 1) & (ix->size - 1);
    ix->slot[i] = item + 1;
    ix->count++;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

#endif
