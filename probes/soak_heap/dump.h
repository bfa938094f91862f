/* The live samples as one block of plain records, grouped by stack and domain. Runs without the GIL: the lock is held
   for the copy only (a few hundred microseconds for a heap of gigabytes), the grouping works on the copy. */
#ifndef SOAK_DUMP_H
#define SOAK_DUMP_H

struct dump_site {
    double bytes, count, variance; /* Horvitz-Thompson: sum of w n, of w, of n^2 w (w - 1) */
    uint64_t caller;
    uint32_t domain, partial, first_ref, depth, first_birth, births;
    uint32_t samples, pad;
};

struct dump_birth {
    double bytes;
    int64_t cycle;
};

/* Offsets are bytes from the start of the block; a text is its u32 length and its UTF-8 bytes. */
struct dump_head {
    uint64_t size, sites, births, site_at, birth_at, ref_at, frame_at, text_at;
    uint64_t samples, copy_ns, total_ns;
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int sample_before(const struct sample *a, const struct sample *b) {
    if (a->stack != b->stack) return a->stack < b->stack;
    if (a->domain != b->domain) return a->domain < b->domain;
    return a->birth < b->birth;
}

/* Heapsort: in place, and unlike qsort() it never allocates. */
static void sift(struct sample *s, size_t root, size_t n) {
    struct sample top = s[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && sample_before(&s[child], &s[child + 1])) child++;
        if (!sample_before(&top, &s[child])) break;
        s[root] = s[child];
    }
    s[root] = top;
}

static void sort_samples(struct sample *s, size_t n) {
    for (size_t i = n / 2; i-- > 0;) sift(s, i, n);
    for (size_t end = n; end-- > 1;) {
        struct sample last = s[end];
        s[end] = s[0];
        s[0] = last;
        sift(s, 0, end);
    }
}

struct copy {
    char *block; /* the result: head, sites, births, refs, frames, texts */
    size_t size;
    struct sample *samples;
    struct stack *stacks;
    size_t sample_bytes, stack_bytes, refs, frames, texts;
    uint32_t count;
};

static size_t block_size(const struct copy *c, uint32_t samples) {
    return sizeof(struct dump_head) + samples * (sizeof(struct dump_site) + sizeof(struct dump_birth)) + c->refs + c->frames + c->texts;
}

/* Asks for the memory outside the lock, then copies if it is enough; -1: no memory, 0: the tables grew meanwhile. */
static int copy_tables(struct copy *c) {
    int ok;
    pthread_mutex_lock(&lock);
    c->count = live.count + live.count / 8 + 64;
    c->refs = book.refs.used + 65536, c->frames = book.frames.used + 65536, c->texts = book.texts.used + 65536;
    c->sample_bytes = c->count * sizeof(struct sample);
    c->stack_bytes = book.stacks.used + 65536;
    pthread_mutex_unlock(&lock);
    c->size = block_size(c, c->count);
    c->block = own_map(c->size);
    c->samples = own_map(c->sample_bytes);
    c->stacks = own_map(c->stack_bytes);
    if (!c->block || !c->samples || !c->stacks) return -1;
    memset(c->samples, 0, c->sample_bytes); /* faults the pages in before the lock is held */
    memset(c->block + block_size(c, c->count) - c->refs - c->frames - c->texts, 0, c->refs + c->frames + c->texts);
    pthread_mutex_lock(&lock);
    ok = live.count <= c->count && book.refs.used <= c->refs && book.frames.used <= c->frames &&
         book.texts.used <= c->texts && book.stacks.used <= c->stack_bytes;
    if (ok) {
        char *refs = c->block + block_size(c, c->count) - c->refs - c->frames - c->texts;
        uint32_t n = 0;
        for (uint32_t i = 0; i < live.size; i++)
            if (live.slot[i].address) c->samples[n++] = live.slot[i];
        if (book.refs.used) memcpy(refs, book.refs.data, book.refs.used);
        if (book.frames.used) memcpy(refs + c->refs, book.frames.data, book.frames.used);
        if (book.texts.used) memcpy(refs + c->refs + c->frames, book.texts.data, book.texts.used);
        if (book.stacks.used) memcpy(c->stacks, book.stacks.data, book.stacks.used);
        c->size = block_size(c, c->count);
        c->count = n;
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

static void add_sample(struct dump_site *site, struct dump_birth *birth, const struct sample *s) {
    double n = (double)s->size, w = s->weight;
    site->bytes += w * n;
    site->count += w;
    site->variance += n * n * w * (w - 1);
    site->samples++;
    birth->bytes += w * n;
}

static void group(const struct copy *c, struct dump_head *head, struct dump_site *sites, struct dump_birth *births) {
    const struct sample *last = NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct sample *s = &c->samples[i];
        const struct stack *k = &c->stacks[s->stack];
        int new_site = !last || last->stack != s->stack || last->domain != s->domain;
        if (new_site)
            sites[head->sites++] = (struct dump_site){0, 0, 0, k->caller, s->domain, k->partial, k->first, k->depth,
                                                      (uint32_t)head->births, 0, 0, 0};
        if (new_site || last->birth != s->birth) {
            births[head->births++] = (struct dump_birth){0, s->birth};
            sites[head->sites - 1].births++;
        }
        add_sample(&sites[head->sites - 1], &births[head->births - 1], s);
        last = s;
    }
}

/* 0 and the block, to be given back with soak_heap_dump_free; -1: no memory. */
EXPORT int soak_heap_dump(void **block, size_t *size) {
    struct copy c;
    struct dump_head *head;
    uint64_t begun = now_ns();
    int state = 0;
    for (int attempt = 0; attempt < 5 && state == 0; attempt++) {
        memset(&c, 0, sizeof c);
        if ((state = copy_tables(&c)) == 1) break;
        own_unmap(c.block, c.size), own_unmap(c.samples, c.sample_bytes), own_unmap(c.stacks, c.stack_bytes);
    }
    if (state != 1) return -1;
    head = (struct dump_head *)c.block;
    memset(head, 0, sizeof *head);
    head->samples = c.count;
    head->copy_ns = now_ns() - begun;
    head->size = c.size;
    head->text_at = c.size - c.texts;
    head->frame_at = head->text_at - c.frames;
    head->ref_at = head->frame_at - c.refs;
    head->site_at = sizeof *head;
    head->birth_at = head->site_at + (head->ref_at - sizeof *head) / (sizeof(struct dump_site) + sizeof(struct dump_birth)) * sizeof(struct dump_site);
    sort_samples(c.samples, c.count);
    group(&c, head, (struct dump_site *)(c.block + head->site_at), (struct dump_birth *)(c.block + head->birth_at));
    own_unmap(c.samples, c.sample_bytes), own_unmap(c.stacks, c.stack_bytes);
    head->total_ns = now_ns() - begun;
    *block = c.block;
    *size = c.size;
    return 0;
}

EXPORT void soak_heap_dump_free(void *block, size_t size) { own_unmap(block, size); }

#endif
