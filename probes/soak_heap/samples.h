/* The live samples: an open-addressed table by address, hashed by the number of the address's bit (bitmap.h). */
#ifndef SOAK_SAMPLES_H
#define SOAK_SAMPLES_H

enum { FIRST_SAMPLES = 2048 };

struct sample {
    uintptr_t address; /* 0: free slot */
    uint64_t size;     /* bytes asked for */
    uint32_t stack;
    int32_t birth; /* cycle; -1 before the first mark */
    uint32_t domain;
    float weight; /* blocks it stands for, at the interval it was taken with */
};

static struct {
    struct sample *slot;
    uint32_t size, count;
    _Atomic uint32_t mapped; /* how many are of the mmap domain; read without the lock by munmap */
} live;

static uint32_t find_slot(uintptr_t address) {
    uint32_t i = home(address, live.size);
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

static int sample_has_bit(uint32_t bit) {
    if (!live.size) return 0;
    for (uint32_t i = home((uintptr_t)bit << 4, live.size); live.slot[i].address; i = (i + 1) & (live.size - 1))
        if (bit_of(live.slot[i].address) == bit) return 1;
    return 0;
}

/* Takes a slot out and closes the gap in its probe run (Knuth 6.4, algorithm R). */
static void remove_slot(uint32_t gap) {
    uint32_t mask = live.size - 1, bit = bit_of(live.slot[gap].address);
    live.mapped -= live.slot[gap].domain == DOMAIN_MMAP;
    for (uint32_t i = (gap + 1) & mask; live.slot[i].address; i = (i + 1) & mask) {
        uint32_t from = home(live.slot[i].address, live.size);
        if (((i - from) & mask) < ((i - gap) & mask)) continue;
        live.slot[gap] = live.slot[i];
        gap = i;
    }
    live.slot[gap].address = 0;
    live.count--;
    bit_unused(bit);
}

/* Puts a sample in, in place of a stale one at the same address; 0 when there is no memory. Its stack is in use after. */
static int samples_put(const struct sample *s) {
    uint32_t i;
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
    bit_set(bit_of(s->address));
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
