/* Poisson sampling by bytes: distances between samples are exponential with mean `interval`, so a block of n bytes is
   taken with probability 1 - exp(-n / interval) and stands for 1 / (1 - exp(-n / interval)) blocks.
   Own logarithm and exponential: the library must not need libm in every process it is preloaded into. */
#ifndef SOAK_CHANCE_H
#define SOAK_CHANCE_H

/* xorshift64*, Vigna 2016. */
static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

/* ln of the fraction bits / 2^52, bits in 1 .. 2^52; ln m = 2 atanh((m - 1) / (m + 1)); error below 1e-8. */
static double log_fraction(uint64_t bits) {
    int shift = __builtin_clzll(bits) - 11; /* brings the leading one to bit 52 */
    double m = (double)(bits << shift) / 4503599627370496.0, e = -shift, z, q;
    if (m > 1.4142135623730951) m *= 0.5, e += 1;
    z = (m - 1) / (m + 1);
    q = z * z;
    return e * 0.6931471805599453 + 2 * z * (1 + q * (1 / 3.0 + q * (1 / 5.0 + q * (1 / 7.0 + q * (1 / 9.0)))));
}

static int64_t draw(uint64_t *state, double mean) {
    return (int64_t)(-mean * log_fraction((next_random(state) >> 12) + 1));
}

/* 1 - exp(-x) without cancellation: expm1 of x / 2^k by its series, then doubled k times. */
static double chance_of(double x) {
    double y = x, t;
    int k = 0;
    if (x > 40) return 1;
    for (; y > 0.01; k++) y *= 0.5;
    t = -y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4 * (1 - y / 5))));
    for (; k; k--) t *= t + 2;
    return -t;
}

#endif
