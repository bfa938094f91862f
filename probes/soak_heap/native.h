/* Under LD_PRELOAD the C allocator's functions and mmap come through here. Only the library for that has them: a malloc
   that is in the process but not in use misleads debuggers, which call the first one they find.
   The real functions are the next ones in the search order, so another preloaded allocator below keeps working. */
#ifndef SOAK_NATIVE_H
#define SOAK_NATIVE_H

#define CALLER ((uintptr_t)__builtin_return_address(0))

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void (*free)(void *);
} real;

/* What the dynamic linker asks for while the real functions are being looked up: never freed. */
static char early[65536] __attribute__((aligned(16)));
static _Atomic size_t early_used;

static int is_early(const void *p) { return (const char *)p >= early && (const char *)p < early + sizeof early; }

static void *early_alloc(size_t n) {
    size_t at = atomic_fetch_add(&early_used, (n + 31) & ~(size_t)15);
    if (at + n + 16 > sizeof early) return NULL;
    memcpy(early + at, &n, sizeof n);
    return early + at + 16;
}

RARE static int find_real(void) {
    static _Atomic int looking;
    if (atomic_exchange(&looking, 1)) return real.free != NULL;
    real.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real.memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
    real.aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    real.posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    atomic_thread_fence(memory_order_seq_cst);
    real.free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    return real.free != NULL;
}

#define READY() (LIKELY(real.free != NULL) || find_real())

EXPORT void *malloc(size_t n) {
    void *p;
    if (UNLIKELY(!READY())) return early_alloc(n);
    p = real.malloc(n);
    allocated(p, n, DOMAIN_MALLOC, CALLER);
    return p;
}

EXPORT void free(void *p) {
    if (UNLIKELY(is_early(p)) || UNLIKELY(!READY())) return;
    freeing(p);
    real.free(p);
}

EXPORT void *calloc(size_t n, size_t each) {
    void *p;
    if (UNLIKELY(!READY())) return early_alloc(n * each); /* the arena is zero and used once */
    p = real.calloc(n, each);
    allocated(p, n * each, DOMAIN_MALLOC, CALLER);
    return p;
}

static void *resized(void *old, size_t n, uintptr_t caller) {
    struct aside aside;
    void *p;
    int found;
    if (UNLIKELY(!READY()) || UNLIKELY(is_early(old))) {
        size_t had = 0;
        if (old) memcpy(&had, (char *)old - 16, sizeof had);
        p = real.free ? real.malloc(n) : early_alloc(n);
        return p && old ? memcpy(p, old, had < n ? had : n) : p;
    }
    found = UNLIKELY(maybe_sampled(old)) && set_aside(old, &aside);
    p = real.realloc(old, n);
    if (UNLIKELY(found)) release(&aside, !p && n);
    allocated(p, n, DOMAIN_MALLOC, caller);
    return p;
}

EXPORT void *realloc(void *old, size_t n) { return resized(old, n, CALLER); }

EXPORT void *reallocarray(void *old, size_t n, size_t each) {
    size_t bytes;
    if (__builtin_mul_overflow(n, each, &bytes)) return errno = ENOMEM, NULL;
    return resized(old, bytes, CALLER);
}

EXPORT void *memalign(size_t alignment, size_t n) {
    void *p;
    if (UNLIKELY(!READY())) return NULL;
    p = real.memalign(alignment, n);
    allocated(p, n, DOMAIN_MALLOC, CALLER);
    return p;
}

EXPORT void *aligned_alloc(size_t alignment, size_t n) {
    void *p;
    if (UNLIKELY(!READY())) return NULL;
    p = real.aligned_alloc(alignment, n);
    allocated(p, n, DOMAIN_MALLOC, CALLER);
    return p;
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t n) {
    int error;
    if (UNLIKELY(!READY())) return ENOMEM;
    error = real.posix_memalign(out, alignment, n);
    if (!error) allocated(*out, n, DOMAIN_MALLOC, CALLER);
    return error;
}

EXPORT void *valloc(size_t n) {
    void *p;
    if (UNLIKELY(!READY())) return NULL;
    p = real.memalign((size_t)getpagesize(), n);
    allocated(p, n, DOMAIN_MALLOC, CALLER);
    return p;
}

/* --- mmap: reported apart, since address space is not residency ------------------------------------------------- */

/* Cuts [from, to) out of one mapped sample; of a hole in the middle only the part before it is kept. */
static void cut_sample(uint32_t i, uintptr_t from, uintptr_t to) {
    struct sample s = live.slot[i];
    uintptr_t end = s.address + s.size;
    if (from > s.address) {
        live.slot[i].size = from - s.address;
        return;
    }
    remove_slot(i);
    if (to < end) {
        s.size = end - to;
        s.address = to;
        samples_put(&s);
    }
    stack_drop(s.stack);
}

/* Returns how many samples lay in the range. */
RARE static int unmapped(uintptr_t from, size_t size) {
    uintptr_t to = from + size;
    int error = errno, cut = 0;
    if (mine.busy) return 0;
    mine.busy = 1;
    if (!lock_tables()) {
        mine.busy = 0;
        return 0;
    }
    for (uint32_t i = 0; live.mapped && i < live.size; i++) {
        const struct sample *s = &live.slot[i];
        while (s->address && s->domain == DOMAIN_MMAP && s->address < to && from < s->address + s->size) {
            cut_sample(i, from, to);
            cut++;
            s = &live.slot[i];
        }
    }
    pthread_mutex_unlock(&lock);
    mine.busy = 0;
    errno = error;
    return cut;
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    void *p;
    if (UNLIKELY(live.mapped) && flags & MAP_FIXED) unmapped((uintptr_t)at, size);
    p = (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    if (p != MAP_FAILED && flags & MAP_ANONYMOUS) allocated(p, size, DOMAIN_MMAP, CALLER);
    return p;
}

#ifdef __GLIBC__ /* elsewhere it is the same name */
EXPORT void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));
#endif

EXPORT int munmap(void *p, size_t size) {
    if (UNLIKELY(live.mapped)) unmapped((uintptr_t)p, size);
    return (int)syscall(SYS_munmap, p, size);
}

EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    va_list more;
    void *p, *to = NULL;
    int counted = 0;
    if (flags & MREMAP_FIXED) {
        va_start(more, flags);
        to = va_arg(more, void *);
        va_end(more);
    }
    if (UNLIKELY(live.mapped)) counted = unmapped((uintptr_t)old, old_size);
    p = (void *)syscall(SYS_mremap, old, old_size, size, flags, to);
    if (p != MAP_FAILED && counted) allocated(p, size, DOMAIN_MMAP, CALLER);
    return p;
}

#endif
