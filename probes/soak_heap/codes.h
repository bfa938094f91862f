/* Code objects met on sampled stacks, each under a number of its own, so that a stack that was seen before is known again
   without reading one byte of its code: a place is (number, offset of the instruction).
   Addresses are reused. A code object's address therefore has its bit (bitmap.h) like a sample's, so its
   release comes through forget(), which takes the number out of use before the address can be given to another.
   Guarded by the one lock (soak_heap.c). */
#ifndef SOAK_CODES_H
#define SOAK_CODES_H

enum { FIRST_CODES = 1024, MOST_CODES = 16384 };

struct code {
    uintptr_t address; /* 0: free slot */
    uint32_t number, pad;
};

static struct {
    struct code *slot;
    uint32_t size, count, last; /* numbers are not used twice between start and stop */
} codes;
static _Atomic int codes_doubtful; /* a release could not be noted: forget all of them */

static uint32_t code_slot(uintptr_t address) {
    uint32_t i = home(address, codes.size);
    while (codes.slot[i].address && codes.slot[i].address != address) i = (i + 1) & (codes.size - 1);
    return i;
}

static int code_has_bit(uint32_t bit) {
    if (!codes.size) return 0;
    for (uint32_t i = home((uintptr_t)bit << 4, codes.size); codes.slot[i].address; i = (i + 1) & (codes.size - 1))
        if (bit_of(codes.slot[i].address) == bit) return 1;
    return 0;
}

static int codes_open(void) {
    codes.slot = own_map(FIRST_CODES * sizeof *codes.slot);
    codes.size = codes.slot ? FIRST_CODES : 0;
    codes.count = codes.last = 0;
    return codes.slot != NULL;
}

static void codes_close(void) {
    own_unmap(codes.slot, (size_t)codes.size * sizeof *codes.slot);
    codes.slot = NULL;
    codes.size = codes.count = 0;
}

/* All of them, with their bits; their numbers are not used again. */
static void codes_clear(void) {
    for (uint32_t i = 0; i < codes.size; i++) {
        uint32_t bit = bit_of(codes.slot[i].address);
        if (codes.slot[i].address && !sample_has_bit(bit)) bit_clear(bit);
    }
    memset(codes.slot, 0, (size_t)codes.size * sizeof *codes.slot);
    codes.count = 0;
}

static int codes_room(void) {
    struct code *old = codes.slot;
    uint32_t size = codes.size;
    if ((codes.count + 1) * 2 <= size) return 1;
    if (codes.count >= MOST_CODES) return codes_clear(), 1;
    if (!(codes.slot = own_map((size_t)size * 2 * sizeof *old))) return codes.slot = old, codes.count + 1 < size;
    codes.size = size * 2;
    for (uint32_t i = 0; i < size; i++)
        if (old[i].address) codes.slot[code_slot(old[i].address)] = old[i];
    own_unmap(old, (size_t)size * sizeof *old);
    return 1;
}

/* The number of the code object at an address that is on the caller's stack; 0: that is none, or there is no memory. */
static uint32_t code_number(uintptr_t address) {
    uint32_t i = code_slot(address);
    if (LIKELY(codes.slot[i].address == address)) return codes.slot[i].number;
    if (FIELD(const void *, address, OB_TYPE) != python.code_type || !codes_room()) return 0;
    i = code_slot(address);
    codes.slot[i] = (struct code){address, ++codes.last, 0};
    codes.count++;
    bit_set(bit_of(address));
    return codes.last;
}

/* A pointer that is being freed: the gap in its probe run is closed as in samples.h. */
static void code_gone(uintptr_t address) {
    uint32_t gap, mask = codes.size - 1, bit = bit_of(address);
    if (!codes.size || !codes.slot[gap = code_slot(address)].address) return;
    for (uint32_t i = (gap + 1) & mask; codes.slot[i].address; i = (i + 1) & mask) {
        uint32_t from = home(codes.slot[i].address, codes.size);
        if (((i - from) & mask) < ((i - gap) & mask)) continue;
        codes.slot[gap] = codes.slot[i];
        gap = i;
    }
    codes.slot[gap].address = 0;
    codes.count--;
    bit_unused(bit);
}

#endif
