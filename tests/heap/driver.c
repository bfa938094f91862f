/* Churns the sampler without a Python: compiled with ASan or TSan by test_driver.py (and plain).
   A made-up interpreter in the layout of 3.11: frames, code objects that come and go, three domains of which the
   upper two forward to the raw one above 512 bytes, and a "GIL" around them. Usage: driver ROUNDS SEED */
#define SOAK_SANITIZED
#include "../../probes/soak_heap/soak_heap.c"

#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>

#define CHECK(x) \
    do { \
        if (!(x)) { fprintf(stderr, "driver.c:%d: %s\n", __LINE__, #x); abort(); } \
    } while (0)

/* --- the interpreter -------------------------------------------------------------------------------------------- */

enum { CODE_SIZE = 256, FRAME_SIZE = 128, STATE_SIZE = 256, DEEPEST = 90 };
char PyCode_Type[64];
static char interpreter[64];
static __thread char *state;
static __thread char frames[DEEPEST + 1][FRAME_SIZE] __attribute__((aligned(16)));
static __thread int depth;
static pthread_mutex_t gil = PTHREAD_MUTEX_INITIALIZER;

#define PUT(type, base, offset, value) (*(type *)((char *)(base) + (offset)) = (value))

static char *new_text(const char *text) {
    size_t n = strlen(text);
    char *s = calloc(1, 80 + n);
    PUT(int64_t, s, STR_LENGTH, (int64_t)n);
    PUT(uint32_t, s, STR_STATE, 0x60 | 1 << 2);
    memcpy(s + 48, text, n);
    return s;
}

static void *take_memory(size_t n);
static void give_memory(void *p);

/* Ten instructions of one code unit, on lines first, first + 1, ... (location kind 11: one line on, two column bytes). */
static char *new_code(int number) {
    char name[32], *code = take_memory(CODE_SIZE), *lines = calloc(1, BYTES_DATA + 64);
    PUT(const void *, code, OB_TYPE, PyCode_Type);
    PUT(int32_t, code, 72, number);
    for (int i = 0; i < 10; i++) lines[BYTES_DATA + 3 * i] = (char)(0x80 | 11 << 3);
    PUT(int64_t, lines, OB_SIZE, 30);
    snprintf(name, sizeof name, "file%d", number);
    PUT(char *, code, 112, new_text(name));
    snprintf(name, sizeof name, "f%d", number);
    PUT(char *, code, 128, new_text(name));
    PUT(char *, code, 136, lines);
    return code;
}

static void free_code(char *code) {
    free(FIELD(char *, code, 112)), free(FIELD(char *, code, 128)), free(FIELD(char *, code, 136)), give_memory(code);
}

static void link_frames(void) {
    char *cframe = FIELD(char *, state, 56);
    PUT(char *, cframe, 8, depth ? frames[depth - 1] : NULL);
}

static void push(char *code, int at) {
    char *f = frames[depth];
    if (depth == DEEPEST) return free_code(code);
    memset(f, 0, FRAME_SIZE);
    PUT(char *, f, 32, code);
    PUT(char *, f, 48, depth ? frames[depth - 1] : NULL);
    PUT(char *, f, 56, code + 184 + 2 * at);
    depth++;
    link_frames();
}

static void pop(void) {
    if (!depth) return;
    depth--;
    link_frames();
    free_code(FIELD(char *, frames[depth], 32)); /* the sampler must not look at it again */
}

static void new_thread(void) {
    state = calloc(1, STATE_SIZE);
    PUT(void *, state, STATE_INTERP, interpreter);
    PUT(void *, state, 56, calloc(1, 64));
}

static void end_thread(void) {
    while (depth) pop();
    free(FIELD(void *, state, 56));
    free(state);
    state = NULL;
}

void *PyGILState_GetThisThreadState(void) { return state; }
int Py_IsFinalizing(void) { return 0; }
void *PyThreadState_GetFrame(void *s) { return FIELD(void *, FIELD(char *, s, 56), 8); }
void *PyThreadState_GetInterpreter(void *s) { return FIELD(void *, s, STATE_INTERP); }
void *PyFrame_GetBack(void *f) { return FIELD(void *, f, 48); }
void *PyFrame_GetCode(void *f) { return FIELD(void *, f, 32); }
int PyCode_Addr2Line(char *code, int at) { return at >= 20 ? -1 : FIELD(int32_t, code, 72) + at / 2 + 1; }
int PyFrame_GetLineNumber(char *f) {
    char *code = FIELD(char *, f, 32);
    return PyCode_Addr2Line(code, (int)(FIELD(char *, f, 56) - code - 184));
}
void *PyObject_GetAttrString(char *code, const char *name) { return FIELD(void *, code, name[3] == 'f' ? 112 : 128); }
const char *PyUnicode_AsUTF8AndSize(char *s, ptrdiff_t *n) { return *n = FIELD(int64_t, s, STR_LENGTH), s + 48; }
/* What only soak_heap_make_young calls: there are no lists here. */
char _PyWeakref_RefType[64], _Py_NoneStruct[16];
ptrdiff_t PyList_Size(object *list) { return list == NULL; }
object *PyList_GetItem(object *list, ptrdiff_t place) { return place ? NULL : list; }
int PyList_SetSlice(object *list, ptrdiff_t low, ptrdiff_t high, object *items) { return !list && low < high && !items; }
int PyObject_GC_IsTracked(object *item) { return item != NULL; }
void PyObject_GC_UnTrack(object *item) { (void)item; }
void PyObject_GC_Track(object *item) { (void)item; }
int PyType_IsSubtype(object *one, object *other) { return one == other; }

void Py_DecRef(void *o) { (void)o; }
void PyErr_Clear(void) {}
void *PyInterpreterState_Head(void) { return interpreter; }
void *PyInterpreterState_Main(void) { return interpreter; }
void *PyInterpreterState_Next(void *i) { return (void)i, NULL; }
void PyObject_GetArenaAllocator(void *a) { memset(a, 0, 24); }
void PyObject_SetArenaAllocator(void *a) { (void)a; }

/* --- its allocators --------------------------------------------------------------------------------------------- */

static _Atomic int fail_realloc;
static struct {
    _Atomic(void *(*)(void *, size_t)) malloc;
    _Atomic(void *(*)(void *, size_t, size_t)) calloc;
    _Atomic(void *(*)(void *, void *, size_t)) realloc;
    _Atomic(void (*)(void *, void *)) free;
} domains[3];

static void *base_malloc(void *ctx, size_t n) { return (void)ctx, malloc(n); }
static void *base_calloc(void *ctx, size_t n, size_t each) { return (void)ctx, calloc(n, each); }
static void *base_realloc(void *ctx, void *p, size_t n) { return (void)ctx, fail_realloc ? NULL : realloc(p, n); }
static void base_free(void *ctx, void *p) { (void)ctx, free(p); }
static void *pool_malloc(void *ctx, size_t n) { return n > 512 ? atomic_load(&domains[0].malloc)(NULL, n) : base_malloc(ctx, n); }
static void *pool_calloc(void *ctx, size_t n, size_t each) {
    return n * each > 512 ? atomic_load(&domains[0].calloc)(NULL, n, each) : base_calloc(ctx, n, each);
}
static void *pool_realloc(void *ctx, void *p, size_t n) { return (void)ctx, atomic_load(&domains[0].realloc)(NULL, p, n); }
static void pool_free(void *ctx, void *p) { (void)ctx, atomic_load(&domains[0].free)(NULL, p); }

void PyMem_GetAllocator(int d, struct allocator *a) {
    *a = (struct allocator){NULL, atomic_load(&domains[d].malloc), atomic_load(&domains[d].calloc),
                            atomic_load(&domains[d].realloc), atomic_load(&domains[d].free)};
}
void PyMem_SetAllocator(int d, struct allocator *a) {
    atomic_store(&domains[d].malloc, a->malloc);
    atomic_store(&domains[d].calloc, a->calloc);
    atomic_store(&domains[d].realloc, a->realloc);
    atomic_store(&domains[d].free, a->free);
}

static void build_interpreter(void) {
    struct allocator base = {NULL, base_malloc, base_calloc, base_realloc, base_free};
    struct allocator pool = {NULL, pool_malloc, pool_calloc, pool_realloc, pool_free};
    PyMem_SetAllocator(0, &base), PyMem_SetAllocator(1, &pool), PyMem_SetAllocator(2, &pool);
}

static void with_gil(int d, int take) {
    if (d) take ? pthread_mutex_lock(&gil) : pthread_mutex_unlock(&gil);
}

/* Code objects are of the object domain. */
static void *take_memory(size_t n) {
    void *p;
    with_gil(2, 1);
    p = atomic_load(&domains[2].calloc)(NULL, 1, n);
    with_gil(2, 0);
    return p;
}

static void give_memory(void *p) {
    with_gil(2, 1);
    atomic_load(&domains[2].free)(NULL, p);
    with_gil(2, 0);
}

/* --- the churn -------------------------------------------------------------------------------------------------- */

enum { BLOCKS = 400, THREADS = 4 };
struct block {
    void *p;
    int domain;
};
static _Atomic int going = 1;
static _Atomic int made;

static size_t some_size(uint64_t *r) {
    static const size_t most[] = {64, 512, 4096, 70000};
    return 1 + next_random(r) % most[next_random(r) % 4];
}

static void drop(struct block *b) {
    if (!b->p) return;
    with_gil(b->domain, 1);
    atomic_load(&domains[b->domain].free)(NULL, b->p);
    with_gil(b->domain, 0);
    b->p = NULL;
}

static void turn(struct block *b, uint64_t *r) {
    size_t n = some_size(r);
    uint64_t what = next_random(r) % 8;
    void *p;
    if (what < 2) push(new_code((int)(next_random(r) % 3000)), (int)(next_random(r) % 10));
    else if (what < 4) pop();
    if (b->p && what < 5) return drop(b);
    if (!b->p) b->domain = (int)(next_random(r) % 3);
    with_gil(b->domain, 1);
    if (b->p) p = atomic_load(&domains[b->domain].realloc)(NULL, b->p, n);
    else if (what == 7) p = atomic_load(&domains[b->domain].calloc)(NULL, n, 1);
    else p = atomic_load(&domains[b->domain].malloc)(NULL, n);
    with_gil(b->domain, 0);
    if (p) memset(b->p = p, 1, n);
}

static void *churn(void *seed) {
    struct block blocks[BLOCKS] = {{0}};
    uint64_t r = mix((uintptr_t)seed, 77) | 1;
    new_thread();
    while (going) turn(&blocks[next_random(&r) % BLOCKS], &r);
    for (int i = 0; i < BLOCKS; i++) drop(&blocks[i]);
    end_thread();
    return NULL;
}

static void *keep_dumping(void *unused) {
    while (going) {
        void *block;
        size_t size;
        soak_heap_mark((int)(now_ns() >> 20 & 1023));
        if (!soak_heap_dump(&block, &size)) {
            struct dump_head *head = block;
            const struct dump_site *sites = (void *)((char *)block + head->site_at);
            for (uint64_t i = 0; i < head->sites; i++) CHECK(sites[i].bytes > 0 && sites[i].depth <= MAX_DEPTH);
            soak_heap_dump_free(block, size);
        }
        made++;
    }
    return unused;
}

static int bits_set(void) {
    int n = 0;
    for (size_t i = 0; i < BITS / 64; i++) n += __builtin_popcountll(bitmap[i]);
    return n;
}

static void started(double bytes) {
    char why[256] = "";
    pthread_mutex_lock(&gil);
    if (soak_heap_start(bytes, why, sizeof why)) fprintf(stderr, "%s\n", why), abort();
    pthread_mutex_unlock(&gil);
}

static void stopped(void) {
    pthread_mutex_lock(&gil);
    soak_heap_stop();
    pthread_mutex_unlock(&gil);
}

static void churn_test(int rounds, uintptr_t seed) {
    pthread_t threads[THREADS], dumper;
    static const double intervals[] = {1, 64, 512, 65536};
    pthread_create(&dumper, NULL, keep_dumping, NULL);
    for (uintptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, churn, (void *)(seed + i));
    for (int i = 0; i < rounds; i++) {
        started(intervals[i % 4]);
        for (int until = made + 3; made < until;) sched_yield();
#ifndef __SANITIZE_THREAD__
        if (i % 5 == 0) {
            int status;
            pid_t pid = fork();
            if (!pid) {
                void *p = atomic_load(&domains[0].malloc)(NULL, 100000);
                atomic_load(&domains[0].free)(NULL, p);
                _exit(0);
            }
            waitpid(pid, &status, 0);
            CHECK(status == 0);
        }
#endif
        fail_realloc = i % 3 == 0;
        if (i < rounds - 1) stopped();
    }
    going = 0;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_join(dumper, NULL);
    stopped();
    fail_realloc = 0;
}

/* --- exact facts ------------------------------------------------------------------------------------------------ */

static void maths_test(void) {
    for (double x = 1e-9; x < 50; x *= 1.3) CHECK(fabs(chance_of(x) / -expm1(-x) - 1) < 1e-9);
    for (uint64_t bits = 1; bits < 1ull << 52; bits += bits / 3 + 1)
        CHECK(fabs(log_fraction(bits) - log((double)bits / 4503599627370496.0)) < 1e-7);
}

/* Every byte sampled: what is alive is known exactly, a failed realloc keeps the old block, and nothing is left over. */
static void exact_test(void) {
    struct block blocks[2000] = {{0}};
    uint64_t r = 99, stats[6];
    new_thread();
    push(new_code(7), 3);
    started(1);
    for (int i = 0; i < 2000; i++) {
        blocks[i].domain = i % 3;
        blocks[i].p = atomic_load(&domains[i % 3].malloc)(NULL, 40 + some_size(&r));
    }
    soak_heap_stats(stats);
    CHECK(stats[3] == 2000);
    fail_realloc = 1;
    for (int i = 0; i < 2000; i++) CHECK(!atomic_load(&domains[i % 3].realloc)(NULL, blocks[i].p, 100));
    fail_realloc = 0;
    soak_heap_stats(stats);
    CHECK(stats[3] == 2000);
    for (int i = 0; i < 2000; i++) drop(&blocks[i]);
    soak_heap_stats(stats);
    CHECK(stats[3] == 0 && bits_set() == 1 && codes.count == 1 && pins == 0); /* the bit of the code object */
    CHECK(book.dead == COUNT_OF(book.stacks, struct stack));
    pop();
    CHECK(bits_set() == 0 && codes.count == 0); /* a released code object is forgotten */
    stopped();
    end_thread();
}

int main(int argc, char **argv) {
    char why[256] = "";
    int seen = 0;
    CHECK(argc == 3);
    build_interpreter();
    new_thread();
    for (int i = 0; i < 70; i++) push(new_code(i), i % 10);
    if (soak_heap_prepare(11, why, sizeof why) || soak_heap_selftest(why, sizeof why, &seen)) fprintf(stderr, "%s\n", why);
    CHECK(seen == MAX_DEPTH);
    end_thread();
    maths_test();
    exact_test();
    new_thread();
    churn_test(atoi(argv[1]), (uintptr_t)atoi(argv[2]));
    end_thread();
    CHECK(bits_set() == 0 && live.count == 0);
    puts("fine");
    return 0;
}
