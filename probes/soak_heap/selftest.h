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
} api;

static int refuse(char *why, size_t size, const char *text) {
    if (why && size) snprintf(why, size, "%s", text);
    return -1;
}

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

/* 0, or -1 with the reason. Called with the GIL, from Python. */
EXPORT int soak_heap_selftest(char *why, size_t size, int *frames) {
    struct walk w;
    const char *difference = NULL;
    void *state = python.layout ? python.this_state() : NULL;
    object *frame, *back;
    int k = 0;
    if (!state) return refuse(why, size, "no thread state");
    if (api.interpreter(state) != FIELD(object *, state, STATE_INTERP)) return refuse(why, size, "the thread state differs");
    frame = api.thread_frame(state);
    walk_stack(&w);
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
