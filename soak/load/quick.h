/* What burst.c and turns.c share: requests that are sent, and answers that are taken, without Python in between. */
#include <stdint.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000LL
#define API __attribute__((visibility("default")))

/* Of all structures here, in burst.c and in turns.c; compiled.py knows the same number. One more with each change. */
#define ABI 1

struct request { /* what to send, and what the answer to it looks like */
    const char *data;
    const char *head; /* the answer begins like this */
    int64_t length;
    int64_t head_length;
    int64_t size; /* of the whole answer; -1: none is known */
};

static inline int64_t now(void) { /* CLOCK_MONOTONIC in nanoseconds */
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* Is it just like the last answer to the same request that Python has read? */
static inline int alike(const struct request *request, const char *answer, int64_t length) {
    return length >= 0 && length == request->size && memcmp(answer, request->head, (size_t)request->head_length) == 0;
}
