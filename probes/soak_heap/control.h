/* What sampler.py calls. All of it with the GIL, except the dump. 0 is success; -1 comes with the reason in `why`. */
#ifndef SOAK_CONTROL_H
#define SOAK_CONTROL_H

enum { ABI = 2 };

static struct {
    int installed[PYTHON_DOMAINS]; /* our hook is in the domain's chain, on top or under another tool's */
    int arenas, forks;
} hooks;

EXPORT int soak_heap_abi(void) { return ABI; }

static int find(void *slot, const char *name, const char *other) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (!symbol && other) symbol = dlsym(RTLD_DEFAULT, other);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

static int find_all(void) {
    return find(&api.thread_frame, "PyThreadState_GetFrame", NULL) & find(&api.frame_back, "PyFrame_GetBack", NULL) &
           find(&api.frame_code, "PyFrame_GetCode", NULL) & find(&api.frame_line, "PyFrame_GetLineNumber", NULL) &
           find(&api.code_line, "PyCode_Addr2Line", NULL) & find(&api.attribute, "PyObject_GetAttrString", NULL) &
           find(&api.utf8, "PyUnicode_AsUTF8AndSize", NULL) & find(&api.decref, "Py_DecRef", NULL) &
           find(&api.clear_error, "PyErr_Clear", NULL) & find(&api.get_allocator, "PyMem_GetAllocator", NULL) &
           find(&api.set_allocator, "PyMem_SetAllocator", NULL) & find(&api.get_arenas, "PyObject_GetArenaAllocator", NULL) &
           find(&api.set_arenas, "PyObject_SetArenaAllocator", NULL) &
           find(&api.interpreter, "PyThreadState_GetInterpreter", NULL) &
           find(&api.first_interpreter, "PyInterpreterState_Head", NULL) &
           find(&api.next_interpreter, "PyInterpreterState_Next", NULL) &
           find(&api.main_interpreter, "PyInterpreterState_Main", NULL) &
           find(&api.list_size, "PyList_Size", NULL) & find(&api.list_item, "PyList_GetItem", NULL) &
           find(&api.list_replace, "PyList_SetSlice", NULL) & find(&api.gc_tracked, "PyObject_GC_IsTracked", NULL) &
           find(&api.gc_untrack, "PyObject_GC_UnTrack", NULL) & find(&api.gc_track, "PyObject_GC_Track", NULL) &
           find(&api.is_subtype, "PyType_IsSubtype", NULL) & find(&api.weakref_type, "_PyWeakref_RefType", NULL) &
           find(&api.none, "_Py_NoneStruct", NULL) & find(&python.this_state, "PyGILState_GetThisThreadState", NULL) &
           find(&python.finalizing, "Py_IsFinalizing", "_Py_IsFinalizing") &
           find(&python.code_type, "PyCode_Type", NULL);
}

/* A weak reference whose object another thread's collection has just cleared stands in that collector's own list until its
   callback is called; taken off it, the callback never is. */
static int in_callback_queue(void *object) {
    return api.is_subtype(FIELD(void *, object, OB_TYPE), api.weakref_type) &&
           FIELD(void *, object, WEAKREF_OBJECT) == api.none && FIELD(void *, object, WEAKREF_CALLBACK);
}

/* For the agent: the collector takes these for young, so that a collection of the young looks at them and at no other old
   ones. Nothing is changed that the collector does not decide by itself: what is reached from outside the young stays
   alive. Untracked and tracked again in one go, with the GIL; Python does so with what a finalizer brought back to life.
   Empties the list, which must be one. The collector is not started: none of these calls allocates. */
EXPORT void soak_heap_make_young(void *list) {
    ptrdiff_t size = api.list_size(list);
    for (ptrdiff_t i = 0; i < size; i++) {
        void *object = api.list_item(list, i);
        if (!api.gc_tracked(object) || in_callback_queue(object)) continue;
        api.gc_untrack(object);
        api.gc_track(object);
    }
    api.list_replace(list, 0, size, NULL);
}

static int no_other_interpreters(char *why, size_t size) {
    void *state = python.this_state();
    if (!state || api.interpreter(state) != python.main_interpreter) return refuse(why, size, "called from a subinterpreter");
    if (api.next_interpreter(api.first_interpreter())) return refuse(why, size, "the process has subinterpreters");
    return 0;
}

/* Looks up the interpreter. Must be followed by selftest before start. */
EXPORT int soak_heap_prepare(int minor, char *why, size_t size) {
    const struct layout *layout = layout_for(minor);
    if (!layout) return refuse(why, size, "this Python version is not known to the sampler");
    if (!find_all()) return refuse(why, size, "the interpreter does not export what the sampler needs");
    python.main_interpreter = api.main_interpreter();
    if (!text_buffer && !(text_buffer = own_map(4 * MAX_TEXT))) return refuse(why, size, "no memory");
    if (no_other_interpreters(why, size)) return -1;
    python.layout = layout;
    return 0;
}

/* --- fork: the child of a busy process must not inherit a held lock --------------------------------------------- */

static __thread int fork_locked __attribute__((tls_model("initial-exec")));

static void before_fork(void) {
    if (mine.busy) return;
    forking++;
    pthread_mutex_lock(&lock); /* whoever has it is inside the sampler and waits for nobody */
    fork_locked = mine.busy = 1;
}

static void after_fork_in_parent(void) {
    if (!fork_locked) return;
    fork_locked = mine.busy = 0;
    forking--;
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void) {
    pthread_mutex_init(&lock, NULL);
    fork_locked = mine.busy = 0;
    forking = 0;
    pins = unpinned = 0;
    in_flight = 0;
}

/* --- installing the hooks --------------------------------------------------------------------------------------- */

/* Does the process's malloc come through us? Asked by watching the countdown: the address tells nothing, because a
   program that is not position-independent answers with a place of its own that jumps to ours. */
EXPORT int soak_heap_native(void) {
    void *(*allocate)(size_t);
    void (*release_it)(void *);
    int64_t kept = mine.countdown, moved;
    void *p;
    if (!find(&allocate, "malloc", NULL) || !find(&release_it, "free", NULL)) return 0;
    mine.countdown = INT64_MAX;
    p = allocate(16);
    moved = INT64_MAX - mine.countdown;
    release_it(p);
    mine.countdown = kept;
    return moved != 0;
}

static struct {
    void *ctx;
    void *(*alloc)(void *, size_t);
    void (*free)(void *, void *, size_t);
} arenas;

/* The interpreter's own arenas are not the program's mmap. */
static void *arena_alloc(void *ctx, size_t n) {
    void *p;
    GUARDED(p = arenas.alloc(ctx, n));
    return p;
}

static void guard_arenas(void) {
    void *ours[3];
    api.get_arenas(&arenas);
    ours[0] = arenas.ctx, ours[1] = (void *)arena_alloc, ours[2] = (void *)arenas.free;
    api.set_arenas(ours);
    hooks.arenas = 1;
}

/* Does an allocation through the domain's public door reach our hook? Asked by watching the countdown move. */
static int reaches(int domain, size_t n) {
    struct allocator a;
    int64_t kept = mine.countdown, moved;
    void *p;
    api.get_allocator(domain, &a);
    mine.countdown = INT64_MAX;
    p = a.malloc(a.ctx, n);
    moved = INT64_MAX - mine.countdown;
    if (p) a.free(a.ctx, p);
    mine.countdown = kept;
    return moved != 0;
}

/* The largest size up to which the wrapped allocator serves from its own pools. */
static size_t pool_limit(int domain) {
    static const size_t sizes[] = {512, 256, 0};
    int64_t kept = mine.countdown;
    size_t limit = 0;
    for (const size_t *n = sizes; *n && !limit; n++) {
        for (int attempt = 0; attempt < 4 && !limit; attempt++) {
            void *p;
            mine.countdown = INT64_MAX;
            p = wrapped[domain].to.malloc(wrapped[domain].to.ctx, *n);
            if (p && mine.countdown == INT64_MAX) limit = *n;
            if (p) wrapped[domain].to.free(wrapped[domain].to.ctx, p);
        }
    }
    mine.countdown = kept;
    return limit;
}

static void install(int domain) {
    struct allocator ours = hooked[domain], below;
    if (hooks.installed[domain] && reaches(domain, 64)) return;
    api.get_allocator(domain, &below);
    if (memcmp(&below, &wrapped[domain].to, sizeof below)) { /* a thread may still be on its way through the old hook */
        wrapped[domain].to = below;
        wrapped[domain].pools = domain == DOMAIN_RAW ? SIZE_MAX : pool_limit(domain);
    }
    ours.ctx = wrapped[domain].to.ctx;
    api.set_allocator(domain, &ours);
    hooks.installed[domain] = 1;
}

/* Ours is taken off only when it is on top: under another tool's hook it stays, and passes everything through. */
static void uninstall(int domain) {
    struct allocator top;
    if (!hooks.installed[domain]) return;
    api.get_allocator(domain, &top);
    if (top.malloc != hooked[domain].malloc) return;
    api.set_allocator(domain, &wrapped[domain].to);
    hooks.installed[domain] = 0;
}

static void forget_everything(void) {
    pthread_mutex_lock(&lock);
    samples_close();
    codes_close();
    book_close();
    pthread_mutex_unlock(&lock);
}

EXPORT int soak_heap_start(double bytes, char *why, size_t size) {
    int ok;
    if (atomic_load(&active)) return 0;
    if (!python.layout) return refuse(why, size, "not prepared");
    if (no_other_interpreters(why, size)) return -1;
    if (!(bytes >= 1)) return refuse(why, size, "the interval is below one byte");
    if (!hooks.forks && pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child)) return refuse(why, size, "no fork handler");
    hooks.forks = 1;
    forget_everything();
    pthread_mutex_lock(&lock);
    ok = samples_open() && codes_open() && book_open();
    codes_doubtful = 0;
    interval = bytes;
    pins = unpinned = 0;
    epoch++;
    pthread_mutex_unlock(&lock);
    if (!ok) return forget_everything(), refuse(why, size, "no memory");
    if (!soak_heap_native()) install(DOMAIN_RAW);
    else if (!hooks.arenas) guard_arenas();
    install(DOMAIN_MEM);
    install(DOMAIN_OBJ);
    mine.countdown = mine.ignored ? INT64_MAX : 0;
    atomic_store_explicit(&active, 1, memory_order_release);
    return 0;
}

/* Waits (at most a second) for the threads that are in the middle of taking a sample. */
EXPORT void soak_heap_stop(void) {
    if (!atomic_exchange(&active, 0)) return;
    for (int domain = 0; domain < PYTHON_DOMAINS; domain++) uninstall(domain);
    for (int i = 0; atomic_load(&in_flight) && i < 10000; i++) usleep(100);
    forget_everything();
}

/* 1 when every hook is still reached; another tool may have put back what it found before us. */
EXPORT int soak_heap_hooked(void) {
    if (!atomic_load(&active)) return 0;
    for (int domain = soak_heap_native() ? DOMAIN_MEM : DOMAIN_RAW; domain < PYTHON_DOMAINS; domain++)
        if (!reaches(domain, 64)) return 0;
    return 1;
}

/* Makes the calling thread's draws repeatable; 0: from the clock at its next allocation. */
EXPORT void soak_heap_seed(uint64_t seed) { mine.random = seed ? mix(seed, 1) | 1 : 0; }

EXPORT void soak_heap_mark(int number) { atomic_store_explicit(&cycle, number, memory_order_relaxed); }

/* The calling thread's allocations are not the program's. Returns what it was before. */
EXPORT int soak_heap_ignore(int on) {
    int was = mine.ignored;
    if (on == was) return was;
    if (on) mine.kept = mine.countdown;
    mine.countdown = on ? INT64_MAX : mine.kept;
    mine.ignored = (uint8_t)on;
    return was;
}

/* taken, dropped for want of memory, seen in other interpreters, live, stacks known, interval */
EXPORT void soak_heap_stats(uint64_t out[6]) {
    pthread_mutex_lock(&lock);
    out[0] = counts.taken, out[1] = counts.dropped, out[2] = counts.foreign;
    out[3] = live.count, out[4] = COUNT_OF(book.stacks, struct stack), out[5] = (uint64_t)interval;
    pthread_mutex_unlock(&lock);
}

EXPORT uint64_t soak_heap_own_bytes(void) { return atomic_load(&own_total) + sizeof bitmap; }

/* Module of a native address: path, offset in it, symbol ("" when there is none) and build id in hex; 1 when it is the
   interpreter's own, 0 another's, -1 unknown. */
struct module_query {
    uintptr_t address;
    char *build_id;
    size_t size;
};

static int note_build_id(const ElfW(Phdr) *segment, uintptr_t base, struct module_query *q) {
    const char *p = (const char *)(base + segment->p_vaddr), *end = p + segment->p_memsz;
    while (p + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const void *)p;
        const uint8_t *id = (const uint8_t *)p + sizeof *note + ((note->n_namesz + 3) & ~3u);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(p + sizeof *note, "GNU", 4)) {
            for (uint32_t i = 0; i < note->n_descsz && 2 * i + 2 < q->size; i++)
                snprintf(q->build_id + 2 * i, 3, "%02x", id[i]);
            return 1;
        }
        p = (const char *)id + ((note->n_descsz + 3) & ~3u);
    }
    return 0;
}

static int find_module(struct dl_phdr_info *info, size_t size, void *data) {
    struct module_query *q = data;
    int inside = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *s = &info->dlpi_phdr[i];
        inside |= s->p_type == PT_LOAD && q->address - (info->dlpi_addr + s->p_vaddr) < s->p_memsz;
    }
    for (int i = 0; inside && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE && note_build_id(&info->dlpi_phdr[i], info->dlpi_addr, q)) break;
    return inside;
}

EXPORT int soak_heap_module(uintptr_t address, char *path, size_t size, uintptr_t *offset, char *symbol, char *build_id) {
    struct module_query q = {address, build_id, size};
    Dl_info info, own;
    path[0] = symbol[0] = build_id[0] = 0;
    if (!dladdr((void *)address, &info)) return -1;
    snprintf(path, size, "%s", info.dli_fname ? info.dli_fname : "");
    snprintf(symbol, size, "%s", info.dli_sname ? info.dli_sname : "");
    *offset = address - (uintptr_t)info.dli_fbase;
    dl_iterate_phdr(find_module, &q);
    return api.set_allocator && dladdr((void *)api.set_allocator, &own) && own.dli_fbase == info.dli_fbase;
}

#endif
