/* Where CPython keeps what a stack walk reads, per minor version (64-bit, with the GIL, no debug build).
   Taken with offsetof() from each version's own headers; verified at every load against the API (selftest.h). */
#ifndef SOAK_LAYOUT_H
#define SOAK_LAYOUT_H

enum line_format { LNOTAB, LINES_310, LOCATIONS_311 };

struct layout {
    int minor;
    int state_frame;   /* PyThreadState: the frame, or the pointer to the struct that holds it (cframe) */
    int cframe_frame;  /* _PyCFrame.current_frame; -1: state_frame is the frame itself */
    int frame_code, frame_back, frame_instr, frame_owner; /* owner -1: none */
    int owner_shim;    /* owners from this value on are not Python frames */
    uintptr_t code_tag; /* tag bits of the code reference */
    int code_bytes;    /* start of the instructions; -1: frame_instr is a number and not an address */
    int instr_scale;   /* bytes per unit when it is a number */
    int code_filename, code_name, code_firstline, code_lines;
    int ascii_data, compact_data; /* where the characters of a str begin */
    enum line_format lines;
};

static const struct layout LAYOUTS[] = {
    {9, 24, -1, 32, 24, 104, -1, 0, 0, -1, 1, 104, 112, 40, 120, 48, 72, LNOTAB},
    {10, 24, -1, 32, 24, 96, -1, 0, 0, -1, 2, 104, 112, 40, 120, 48, 72, LINES_310},
    {11, 56, 8, 32, 48, 56, 69, 3, 0, 184, 1, 112, 128, 72, 136, 48, 72, LOCATIONS_311},
    {12, 56, 0, 0, 8, 56, 70, 3, 0, 192, 1, 112, 128, 68, 136, 40, 56, LOCATIONS_311},
    {13, 72, -1, 0, 8, 56, 70, 3, 0, 200, 1, 112, 128, 68, 136, 40, 56, LOCATIONS_311},
    {14, 72, -1, 0, 8, 56, 74, 3, 1, 208, 1, 112, 128, 68, 136, 40, 56, LOCATIONS_311},
};

/* The same in every version. */
enum { OB_TYPE = 8, OB_SIZE = 16, BYTES_DATA = 32, STR_LENGTH = 16, STR_STATE = 32, STATE_INTERP = 16 };
enum { WEAKREF_OBJECT = 16, WEAKREF_CALLBACK = 24 };

static const struct layout *layout_for(int minor) {
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof *LAYOUTS; i++)
        if (LAYOUTS[i].minor == minor) return &LAYOUTS[i];
    return NULL;
}

#define FIELD(type, base, offset) (*(type const *)((const char *)(base) + (offset)))

#endif
