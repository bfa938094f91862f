/* Interned texts, frames and stacks. All of it is guarded by the one lock (soak_heap.c).
   A stack lives as long as a live sample has it; dead ones stay as a cache until `compact` drops them, so that the
   tables are bounded by what is alive and not by what was ever seen (rule: the sampler must not leak itself). */
#ifndef SOAK_STACKS_H
#define SOAK_STACKS_H

struct frame {
    uint32_t file, func; /* offsets into texts */
    int32_t line;
};

struct stack {
    uint64_t hash;
    uintptr_t caller; /* the native return address; 0 for Python's own domains */
    uint32_t first;   /* in refs */
    uint32_t live;    /* samples that have it */
    uint16_t depth, partial;
    uint32_t pad;
};

static struct {
    struct vec texts;  /* u32 length, bytes, padded to 4 */
    struct vec frames; /* struct frame */
    struct vec refs;   /* u32 frame numbers, innermost first */
    struct vec stacks; /* struct stack */
    struct index text_index, frame_index, stack_index;
    uint32_t dead;
} book;

/* Two caches, direct-mapped: place in the code -> frame number + 1, and hash of a whole walk -> stack number + 1.
   A lost entry only costs decoding the line, or looking the frames up, again. */
enum { CACHE_SIZE = 4096, FIRST_INDEX = 4096, SPARE_STACKS = 2048 };
struct cached {
    uint64_t key; /* 0: empty */
    uint32_t item, pad;
};
static struct cached *places, *walks; /* one mapping, CACHE_SIZE each */
static char *text_buffer; /* 4 * MAX_TEXT */

#define FRAMES ((struct frame *)book.frames.data)
#define STACKS ((struct stack *)book.stacks.data)
#define REFS ((uint32_t *)book.refs.data)
#define COUNT_OF(v, type) ((uint32_t)((v).used / sizeof(type)))

static uint64_t hash_bytes(const char *data, size_t n) {
    uint64_t h = n, word;
    for (; n >= 8; data += 8, n -= 8) memcpy(&word, data, 8), h = mix(h, word);
    word = 0;
    memcpy(&word, data, n);
    return mix(h, word);
}

static uint64_t hash_frame(const struct frame *f) {
    return mix(mix(f->file, f->func), (uint32_t)f->line);
}

static uint64_t hash_text(uint32_t at) {
    uint32_t n = FIELD(uint32_t, book.texts.data, at);
    return hash_bytes(book.texts.data + at + 4, n);
}

/* Doubles an index when it is half full. `kind`: 0 texts, 1 frames, 2 stacks (text items are offset / 4). */
static int index_room(struct index *ix, int kind) {
    struct index bigger;
    if (ix->count * 2 < ix->size) return 1;
    if (!index_alloc(&bigger, ix->size * 2)) return 0;
    for (uint32_t i = 0; i < ix->size; i++) {
        uint32_t item = ix->slot[i];
        if (!item--) continue;
        index_put(&bigger, kind == 0 ? hash_text(item * 4) : kind == 1 ? hash_frame(&FRAMES[item]) : STACKS[item].hash, item);
    }
    index_free(ix);
    *ix = bigger;
    return 1;
}

/* Offset of the interned text + 1, or 0 when there is no memory. */
static uint32_t intern_text(const char *data, uint32_t n) {
    struct index *ix = &book.text_index;
    uint64_t h = hash_bytes(data, n);
    uint32_t i, at;
    if (!index_room(ix, 0)) return 0;
    for (i = (uint32_t)h & (ix->size - 1); ix->slot[i]; i = (i + 1) & (ix->size - 1)) {
        at = (ix->slot[i] - 1) * 4;
        if (FIELD(uint32_t, book.texts.data, at) == n && !memcmp(book.texts.data + at + 4, data, n)) return at + 1;
    }
    if (!vec_reserve(&book.texts, n + 8)) return 0;
    at = (uint32_t)book.texts.used;
    memcpy(book.texts.data + at, &n, 4);
    memcpy(book.texts.data + at + 4, data, n);
    book.texts.used += 4 + ((n + 3) & ~3u);
    index_put(ix, h, at / 4);
    return at + 1;
}

static uint32_t intern_frame(struct frame f) {
    struct index *ix = &book.frame_index;
    uint64_t h = hash_frame(&f);
    uint32_t i, n;
    if (!index_room(ix, 1)) return 0;
    for (i = (uint32_t)h & (ix->size - 1); ix->slot[i]; i = (i + 1) & (ix->size - 1))
        if (!memcmp(&FRAMES[ix->slot[i] - 1], &f, sizeof f)) return ix->slot[i];
    if (!vec_reserve(&book.frames, sizeof f)) return 0;
    n = COUNT_OF(book.frames, struct frame);
    memcpy(book.frames.data + book.frames.used, &f, sizeof f);
    book.frames.used += sizeof f;
    index_put(ix, h, n);
    return n + 1;
}

/* Frame number + 1 of a place in the code; 0: no memory. */
static uint32_t resolve(const struct place *p) {
    uint64_t key = (uint64_t)p->number << 32 | (uint32_t)p->at;
    struct cached *c = &places[mix(0, key) >> 20 & (CACHE_SIZE - 1)];
    const char *code = p->code;
    struct frame f;
    uint32_t file, func;
    if (c->key == key) return c->item;
    f.line = line_of(code, p->at);
    if (f.line < 0) f.line = FIELD(int32_t, code, python.layout->code_firstline);
    file = intern_text(text_buffer, (uint32_t)text_of(FIELD(const char *, code, python.layout->code_filename), text_buffer));
    if (!file) return 0;
    func = intern_text(text_buffer, (uint32_t)text_of(FIELD(const char *, code, python.layout->code_name), text_buffer));
    if (!func) return 0;
    f.file = file - 1;
    f.func = func - 1;
    c->item = intern_frame(f);
    c->key = c->item ? key : 0;
    return c->item;
}

static uint32_t add_stack(uint64_t h, const uint32_t *ids, const struct walk *w, uintptr_t caller) {
    struct stack s = {h, caller, COUNT_OF(book.refs, uint32_t), 0, (uint16_t)w->depth, (uint16_t)w->partial, 0};
    uint32_t n = COUNT_OF(book.stacks, struct stack);
    if (!vec_reserve(&book.refs, (size_t)w->depth * 4) || !vec_reserve(&book.stacks, sizeof s)) return 0;
    if (w->depth) memcpy(book.refs.data + book.refs.used, ids, (size_t)w->depth * 4);
    book.refs.used += (size_t)w->depth * 4;
    memcpy(book.stacks.data + book.stacks.used, &s, sizeof s);
    book.stacks.used += sizeof s;
    index_put(&book.stack_index, h, n);
    book.dead++;
    return n + 1;
}

/* Frame by frame: stacks whose places differ but whose lines are the same are one. */
static uint32_t intern_frames(const struct walk *w, uintptr_t caller) {
    struct index *ix = &book.stack_index;
    uint32_t ids[MAX_DEPTH], i;
    uint64_t h = mix(caller, (uint64_t)w->depth << 1 | (uint64_t)w->partial);
    for (int k = 0; k < w->depth; k++) {
        if (!(ids[k] = resolve(&w->place[k]))) return 0;
        h = mix(h, --ids[k]);
    }
    if (!index_room(ix, 2)) return 0;
    for (i = (uint32_t)h & (ix->size - 1); ix->slot[i]; i = (i + 1) & (ix->size - 1)) {
        const struct stack *s = &STACKS[ix->slot[i] - 1];
        if (s->hash == h && s->caller == caller && s->depth == w->depth &&
            (!w->depth || !memcmp(REFS + s->first, ids, (size_t)w->depth * 4)))
            return ix->slot[i];
    }
    return add_stack(h, ids, w, caller);
}

/* Gives every place its code's number, and drops those that are no Python code. The hash of the walk, never 0. */
static uint64_t identify(struct walk *w, uintptr_t caller) {
    uint64_t h = mix(caller, (uint64_t)w->partial);
    int depth = 0;
    for (int k = 0; k < w->depth; k++) {
        struct place p = w->place[k];
        if (UNLIKELY(!(p.number = code_number((uintptr_t)p.code)))) continue;
        w->place[depth++] = p;
        h = mix(h, (uint64_t)p.number << 32 | (uint32_t)p.at);
    }
    w->depth = depth;
    return h | 1;
}

/* Stack number + 1; 0: no memory, the sample is dropped and counted. */
static uint32_t intern_stack(struct walk *w, uintptr_t caller) {
    uint64_t h = identify(w, caller);
    struct cached *c = &walks[h >> 20 & (CACHE_SIZE - 1)];
    if (LIKELY(c->key == h)) return c->item;
    c->item = intern_frames(w, caller);
    c->key = c->item ? h : 0;
    return c->item;
}

static void caches_clear(void) { memset(places, 0, 2 * CACHE_SIZE * sizeof *places); }

static void stack_use(uint32_t n) {
    if (!STACKS[n].live++) book.dead--;
}

static void stack_drop(uint32_t n) {
    if (!--STACKS[n].live) book.dead++;
}

static int book_open(void) {
    if (!places && !(places = own_map(2 * CACHE_SIZE * sizeof *places))) return 0;
    walks = places + CACHE_SIZE;
    if (!text_buffer && !(text_buffer = own_map(4 * MAX_TEXT))) return 0;
    caches_clear();
    return index_alloc(&book.text_index, FIRST_INDEX) && index_alloc(&book.frame_index, FIRST_INDEX) &&
           index_alloc(&book.stack_index, FIRST_INDEX);
}

static void book_close(void) {
    struct vec *vecs[] = {&book.texts, &book.frames, &book.refs, &book.stacks};
    struct index *indexes[] = {&book.text_index, &book.frame_index, &book.stack_index};
    for (int i = 0; i < 4; i++) vec_free(vecs[i]);
    for (int i = 0; i < 3; i++) index_free(indexes[i]);
    book.dead = 0;
}

#endif
