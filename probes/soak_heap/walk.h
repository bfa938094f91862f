/* The calling thread's own Python frames, read in place: no API call that allocates, no reference taken.
   A thread's frames change only by its own hand, so they stand still while it is inside an allocation, GIL or not. */
#ifndef SOAK_WALK_H
#define SOAK_WALK_H

enum { MAX_DEPTH = 64, MAX_STEPS = 256, MAX_TEXT = 2048 }; /* steps: frames that are not Python's count too */

struct place {
    const char *code; /* not looked at yet: whether it is a code object is for codes.h and the self-test to say */
    int32_t at;       /* offset of the instruction in bytes; -2 before the first */
    uint32_t number;  /* of the code object, once known (codes.h) */
};

struct walk {
    struct place place[MAX_DEPTH];
    int depth;
    int partial; /* there were more frames, or they belong to another interpreter */
};

/* What is looked up in the running interpreter. */
static struct {
    const struct layout *layout;
    void *(*this_state)(void); /* PyGILState_GetThisThreadState */
    int (*finalizing)(void);
    const void *code_type;
    const void *main_interpreter;
} python;

static const char *first_frame(const char *state) {
    const char *at = FIELD(const char *, state, python.layout->state_frame);
    if (python.layout->cframe_frame < 0 || !at) return at;
    return FIELD(const char *, at, python.layout->cframe_frame);
}

static int32_t instruction(const char *frame, const char *code) {
    const struct layout *l = python.layout;
    if (l->code_bytes < 0) return FIELD(int32_t, frame, l->frame_instr) * l->instr_scale;
    return (int32_t)(FIELD(const char *, frame, l->frame_instr) - (code + l->code_bytes));
}

/* Innermost first. No Python on this thread, or an interpreter that is going away: depth 0. */
static void walk_stack(struct walk *w) {
    const struct layout *l = python.layout;
    const char *state, *frame, *code;
    int steps = 0;
    w->depth = w->partial = 0;
    if (!l || python.finalizing() || !(state = python.this_state())) return;
    if (FIELD(const void *, state, STATE_INTERP) != python.main_interpreter) {
        w->partial = 1;
        return;
    }
    for (frame = first_frame(state); frame; frame = FIELD(const char *, frame, l->frame_back)) {
        if ((uintptr_t)frame & 7) return;
        if (++steps > MAX_STEPS || w->depth == MAX_DEPTH) {
            w->partial = 1;
            return;
        }
        if (l->frame_owner >= 0 && FIELD(int8_t, frame, l->frame_owner) >= l->owner_shim) continue;
        code = (const char *)(FIELD(uintptr_t, frame, l->frame_code) & ~l->code_tag);
        if (!code || ((uintptr_t)code & 7)) continue;
        w->place[w->depth].code = code;
        w->place[w->depth++].at = instruction(frame, code);
    }
}

/* Line tables: Objects/lnotab_notes.txt (3.9, 3.10), Objects/locations.md (3.11 on). -1: the instruction has no line. */
static int line_lnotab(const uint8_t *t, int64_t size, int line, int at) {
    int addr = 0;
    for (int64_t i = 0; i + 1 < size; i += 2) {
        addr += t[i];
        if (addr > at) break;
        line += (int8_t)t[i + 1];
    }
    return line;
}

static int line_310(const uint8_t *t, int64_t size, int line, int at) {
    int end = 0;
    for (int64_t i = 0; i + 1 < size; i += 2) {
        int delta = (int8_t)t[i + 1];
        end += t[i];
        if (delta != -128) line += delta;
        if (end > at) return delta == -128 ? -1 : line;
    }
    return -1;
}

static int signed_varint(const uint8_t *t, const uint8_t *stop) {
    unsigned value = 0, shift = 0;
    for (; t < stop; t++, shift += 6) {
        value |= (unsigned)(*t & 63) << shift;
        if (!(*t & 64) || shift > 24) break;
    }
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

static int line_311(const uint8_t *t, int64_t size, int line, int at) {
    const uint8_t *stop = t + size;
    int end = 0;
    while (t < stop) {
        int kind = (*t >> 3) & 15;
        end += ((*t & 7) + 1) * 2;
        if (kind == 13 || kind == 14) line += signed_varint(t + 1, stop);
        else if (kind >= 10 && kind <= 12) line += kind - 10;
        if (end > at) return kind == 15 ? -1 : line;
        do t++;
        while (t < stop && !(*t & 128));
    }
    return -1;
}

static int line_of(const char *code, int at) {
    const struct layout *l = python.layout;
    const char *lines = FIELD(const char *, code, l->code_lines);
    const uint8_t *t = (const uint8_t *)lines + BYTES_DATA;
    int64_t size = FIELD(int64_t, lines, OB_SIZE);
    int first = FIELD(int32_t, code, l->code_firstline);
    if (at < 0) return first;
    if (l->lines == LNOTAB) return line_lnotab(t, size, first, at);
    return l->lines == LINES_310 ? line_310(t, size, first, at) : line_311(t, size, first, at);
}

static size_t put_utf8(char *out, uint32_t c) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xC0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* The text of a compact str as UTF-8 (at most MAX_TEXT characters); returns its bytes. `out` holds 4 * MAX_TEXT. */
static size_t text_of(const char *text, char *out) {
    uint32_t state = FIELD(uint32_t, text, STR_STATE), kind = state >> 2 & 7;
    int64_t length = FIELD(int64_t, text, STR_LENGTH);
    const char *data = text + python.layout->compact_data;
    size_t n = 0;
    if (length > MAX_TEXT) length = MAX_TEXT;
    if (!(state & 0x20) || length < 0) return 0; /* not compact: nothing that can be read in place */
    if (state & 0x40) return memcpy(out, text + python.layout->ascii_data, (size_t)length), (size_t)length;
    for (int64_t i = 0; i < length; i++)
        n += put_utf8(out + n, kind == 1 ? ((const uint8_t *)data)[i]
                             : kind == 2 ? ((const uint16_t *)data)[i] : ((const uint32_t *)data)[i]);
    return n;
}

#endif
