/* The live samples: an open-addressed table by address, and the bitmap that makes the free of anything else cheap.
   The bitmap has one bit per 16 bytes of address modulo 32 MiB (256 KiB). The table's hash is the number of that bit,
   so all samples that share a bit lie in one probe run and the bit is cleared exactly when the last of them goes. */
#ifndef SOAK_SAMPLES_H
#define SOAK_SAMPLES_H

enum { BITS = 1 << 21, FIRST_SAMPLES = 2048 };

struct sample {
    uintptr_t address; /* 0: free slot */
    uint64_t size;     /* bytes asked for */
    uint32_t stack;
    int32_t birth; /* cycle; -1 before the first mark */
    uint32_t domain;
    float weight; /* blocks it stands for, at the interval it was taken with */
};

static _Atomic uint64_t bitmap[BITS / 64];
static struct {
    struct sample *slot;
    uint32_t size, count;
    _Atomic uint32_t mapped; /* how many are of the mmap domain; read without the lock by munmap */
} live;

static inline uint32_t bit_of(uintptr_t address) { return (uint32_t)(address >> 4) & (BITS - 1); }

static inline int maybe_sampled(const void *p) {
    uint32_t bit = bit_of((uintptr_t)p);
    return (atomic_load_explicit(&bitmap[bit / 64], memory_order_relaxed) >> (bit % 64)) & 1;
}

static uint32_t home(uintptr_t address) { return (bit_of(address) * 2654435761u >> 7) & (live.size - 1); }

static uint32_t find_slot(uintptr_t address) {
    uint32_t i = home(address);
    while (live.slot[i].address && live.slot[i].address != address) i = (i + 1) & (live.size - 1);
    return i;
}

static int samples_room(void) {
    struct sample *old = live.slot;
    uint32_t size = live.size;
    if ((live.count + 1) * 2 <= size) return 1;
    if (!(live.slot = own_map((size_t)size * 2 * sizeof *old))) return live.slot = old, live.count + 1 < size;
    live.size = size * 2;
    for (uint32_t i = 0; i < size; i++)
        if (old[i].address) live.slot[find_slot(old[i].address)] = old[i];
    own_unmap(old, (size_t)size * sizeof *old);
    return 1;
}

/* Clears the bit of a sample just removed, unless another live one shares it. The gap has been closed already. */
static void clear_bit(uintptr_t address) {
    uint32_t bit = bit_of(address);
    for (uint32_t i = home(address); live.slot[i].address; i = (i + 1) & (live.size - 1))
        if (bit_of(live.slot[i].address) == bit) return;
    atomic_fetch_and_explicit(&bitmap[bit / 64], ~(1ull << (bit % 64)), memory_order_relaxed);
}

/* Takes a slot out and closes the gap in its probe run (Knuth 6.4, algorithm R). */
static void remove_slot(uint32_t gap) {
    uintptr_t address = live.slot[gap].address;
    uint32_t mask = live.size - 1;
    live.mapped -= live.slot[gap].domain == DOMAIN_MMAP;
    for (uint32_t i = (gap + 1) & mask; live.slot[i].address; i = (i + 1) & mask) {
        uint32_t from = home(live.slot[i].address);
        if (((i - from) & mask) < ((i - gap) & mask)) continue;
        live.slot[gap] = live.slot[i];
        gap = i;
    }
    live.slot[gap].address = 0;
    live.count--;
    clear_bit(address);
}

/* Puts a sample in, in place of a stale one at the same address; 0 when there is no memory. Its stack is in use after. */
static int samples_put(const struct sample *s) {
    uint32_t i, bit = bit_of(s->address);
    if (!samples_room()) return 0;
    i = find_slot(s->address);
    stack_use(s->stack);
    if (live.slot[i].address) {
        stack_drop(live.slot[i].stack);
        live.mapped -= live.slot[i].domain == DOMAIN_MMAP;
    } else {
        live.count++;
    }
    live.mapped += s->domain == DOMAIN_MMAP;
    live.slot[i] = *s;
    atomic_fetch_or_explicit(&bitmap[bit / 64], 1ull << (bit % 64), memory_order_relaxed);
    return 1;
}

/* Takes the sample at an address out; 0 when there was none. */
static int samples_take(uintptr_t address, struct sample *out) {
    uint32_t i;
    if (!live.size) return 0;
    i = find_slot(address);
    if (!live.slot[i].address) return 0;
    *out = live.slot[i];
    stack_drop(out->stack);
    remove_slot(i);
    return 1;
}

static int samples_open(void) {
    live.slot = own_map(FIRST_SAMPLES * sizeof *live.slot);
    live.size = live.slot ? FIRST_SAMPLES : 0;
    return live.slot != NULL;
}

static void samples_close(void) {
    own_unmap(live.slot, (size_t)live.size * sizeof *live.slot);
    live.slot = NULL;
    live.size = live.count = live.mapped = 0;
    for (size_t i = 0; i < BITS / 64; i++)
        if (atomic_load_explicit(&bitmap[i], memory_order_relaxed)) atomic_store_explicit(&bitmap[i], 0, memory_order_relaxed);
}

#endif
