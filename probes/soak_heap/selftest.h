/* Refuses to run where the layout is not what layout.h says: the offset walk is compared with the API walk, frame by
   frame, on the stack of the caller (sampler.py calls it from under generators, comprehensions and odd names). */
#ifndef SOAK_SELFTEST_H
#define SOAK_SELFTEST_H

typedef void object;

static struct {
    object *(*thread_frame)(void *);
    object *(*frame_back)(object *);
    object *(*frame_code)(object *);
    int (*frame_line)(object *);
    int (*code_line)(object *, int);
    object *(*attribute)(object *, const char *);
    const char *(*utf8)(object *, ptrdiff_t *);
    void (*decref)(object *);
    void (*clear_error)(void);
    void (*get_allocator)(int, struct allocator *);
    void (*set_allocator)(int, struct allocator *);
    void (*get_arenas)(void *);
    void (*set_arenas)(void *);
    object *(*interpreter)(void *); /* PyThreadState_GetInterpreter */
    object *(*first_interpreter)(void);
    object *(*next_interpreter)(object *);
    object *(*main_interpreter)(void);
    ptrdiff_t (*list_size)(object *);
    object *(*list_item)(object *, ptrdiff_t);
    int (*list_replace)(object *, ptrdiff_t, ptrdiff_t, object *); /* PyList_SetSlice */
    int (*gc_tracked)(object *);
    void (*gc_untrack)(object *);
    void (*gc_track)(object *);
    int (*is_subtype)(object *, object *);
    object *weakref_type, *none;
} api;

static int refuse(char *why, size_t size, const char *text) {
    if (why && size) snprintf(why, size, "%s", text);
    return -1;
}

/* --- can it be read at all? ------------------------------------------------------------------------------------- */

static int probe[2]; /* a pipe, open while the self-test runs */

/* Asks the kernel, which answers EFAULT where a plain read would end the guest. */
static int readable(const void *p, size_t n) {
    char drain[256];
    return p && n <= sizeof drain && syscall(SYS_write, probe[1], p, n) == (long)n &&
           syscall(SYS_read, probe[0], drain, n) == (long)n;
}

static int text_readable(const char *text) {
    uint32_t kind;
    int64_t length;
    if (!readable(text, 72)) return 0;
    kind = FIELD(uint32_t, text, STR_STATE) >> 2 & 7;
    length = FIELD(int64_t, text, STR_LENGTH);
    return (kind == 1 || kind == 2 || kind == 4) && length >= 0 && length < 1 << 20 &&
           readable(text + python.layout->compact_data + length * kind, 1);
}

static int code_readable(const char *code) {
    const char *lines;
    if (!readable(code, 216)) return 0;
    lines = FIELD(const char *, code, python.layout->code_lines);
    if (!readable(lines, BYTES_DATA + 1)) return 0;
    return FIELD(int64_t, lines, OB_SIZE) >= 0 && FIELD(int64_t, lines, OB_SIZE) < 1 << 28 &&
           readable(lines + BYTES_DATA + FIELD(int64_t, lines, OB_SIZE), 1) &&
           text_readable(FIELD(const char *, code, python.layout->code_name)) &&
           text_readable(FIELD(const char *, code, python.layout->code_filename));
}

/* Goes where walk_stack will go, asking first. On a wrong layout this ends at once. */
static int stack_readable(const char *state) {
    const struct layout *l = python.layout;
    const char *at, *code;
    if (!readable(state, 200)) return 0;
    at = FIELD(const char *, state, l->state_frame);
    if (l->cframe_frame >= 0) {
        if (!readable(at, 16)) return 0;
        at = FIELD(const char *, at, l->cframe_frame);
    }
    for (int depth = 0; at && depth < 2 * MAX_DEPTH; depth++, at = FIELD(const char *, at, l->frame_back)) {
        if ((uintptr_t)at & 7 || !readable(at, 120)) return 0;
        if (l->frame_owner >= 0 && FIELD(int8_t, at, l->frame_owner) >= l->owner_shim) continue;
        code = (const char *)(FIELD(uintptr_t, at, l->frame_code) & ~l->code_tag);
        if ((uintptr_t)code & 7 || !readable(code, 16)) return 0;
        if (FIELD(const void *, code, OB_TYPE) == python.code_type && !code_readable(code)) return 0;
    }
    return 1;
}

/* --- is it the same? -------------------------------------------------------------------------------------------- */

static int same_text(object *code, const char *attribute, int field) {
    object *text = api.attribute(code, attribute);
    ptrdiff_t n = 0;
    const char *expected = text ? api.utf8(text, &n) : NULL;
    int same;
    if (!expected) {
        api.clear_error();
        if (text) api.decref(text);
        return 0;
    }
    same = (size_t)n == text_of(FIELD(const char *, code, field), text_buffer) && !memcmp(expected, text_buffer, (size_t)n);
    api.decref(text);
    return same;
}

static int same_lines(object *code) {
    for (int at = 0; at < 256; at += 2)
        if (api.code_line(code, at) != line_of(code, at)) return 0;
    return 1;
}

static const char *compare_frame(object *frame, const struct place *p) {
    object *code = api.frame_code(frame);
    const char *why = NULL;
    int line = line_of(p->code, p->at);
    if (code != p->code) why = "the frame chain differs from the API's";
    else if (line >= 0 && line != api.frame_line(frame)) why = "a line number differs from the API's";
    else if (!same_text(code, "co_filename", python.layout->code_filename)) why = "a file name differs";
    else if (!same_text(code, python.layout->minor < 11 ? "co_name" : "co_qualname", python.layout->code_name))
        why = "a function name differs";
    else if (!same_lines(code)) why = "a line table is decoded differently";
    api.decref(code);
    return why;
}

/* As codes.h does when a sample is taken. */
static void drop_what_is_no_code(struct walk *w) {
    int depth = 0;
    for (int k = 0; k < w->depth; k++)
        if (FIELD(const void *, w->place[k].code, OB_TYPE) == python.code_type) w->place[depth++] = w->place[k];
    w->depth = depth;
}

/* 0, or -1 with the reason. Called with the GIL, from Python. */
EXPORT int soak_heap_selftest(char *why, size_t size, int *frames) {
    struct walk w;
    const char *difference = NULL;
    void *state = python.layout ? python.this_state() : NULL;
    object *frame, *back;
    int k = 0;
    if (!state) return refuse(why, size, "no thread state");
    if (api.interpreter(state) != FIELD(object *, state, STATE_INTERP)) return refuse(why, size, "the thread state differs");
    if (syscall(SYS_pipe2, probe, O_CLOEXEC)) return refuse(why, size, "no descriptor left for the self-test");
    k = stack_readable(state);
    syscall(SYS_close, probe[0]);
    syscall(SYS_close, probe[1]);
    if (!k) return refuse(why, size, "the frames are not where this version keeps them");
    k = 0;
    frame = api.thread_frame(state);
    walk_stack(&w);
    drop_what_is_no_code(&w);
    for (; frame && !difference && k < w.depth; k++, frame = back) {
        difference = compare_frame(frame, &w.place[k]);
        back = api.frame_back(frame);
        api.decref(frame);
    }
    if (frame) api.decref(frame);
    if (!difference && (k < w.depth || !w.depth || (frame && w.depth < MAX_DEPTH))) difference = "the stack's depth differs";
    *frames = k;
    return difference ? refuse(why, size, difference) : 0;
}

#endif
