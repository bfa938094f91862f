/* What makes the free of anything unsampled cheap: one bit per 16 bytes of address modulo 32 MiB (256 KiB).
   Two tables have bits in it, the samples' and the code objects'. Both are hashed by the number of the bit, so all entries
   that share one lie in one probe run, and it is cleared exactly when the last of them goes. */
#ifndef SOAK_BITMAP_H
#define SOAK_BITMAP_H

enum { BITS = 1 << 21 };

static _Atomic uint64_t bitmap[BITS / 64];

static inline uint32_t bit_of(uintptr_t address) { return (uint32_t)(address >> 4) & (BITS - 1); }

static inline int maybe_sampled(const void *p) {
    uint32_t bit = bit_of((uintptr_t)p);
    return (atomic_load_explicit(&bitmap[bit / 64], memory_order_relaxed) >> (bit % 64)) & 1;
}

static void bit_set(uint32_t bit) {
    atomic_fetch_or_explicit(&bitmap[bit / 64], 1ull << (bit % 64), memory_order_relaxed);
}

static void bit_clear(uint32_t bit) {
    atomic_fetch_and_explicit(&bitmap[bit / 64], ~(1ull << (bit % 64)), memory_order_relaxed);
}

static uint32_t home(uintptr_t address, uint32_t size) { return (bit_of(address) * 2654435761u >> 7) & (size - 1); }

static int sample_has_bit(uint32_t bit); /* samples.h */
static int code_has_bit(uint32_t bit);   /* codes.h */

/* After an entry was taken out of its table. */
static void bit_unused(uint32_t bit) {
    if (!sample_has_bit(bit) && !code_has_bit(bit)) bit_clear(bit);
}

#endif
