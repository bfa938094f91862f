/* Drops the stacks that no live sample has, with the frames and texts that only they had. Under the lock, rare:
   its cost is spread over the SPARE_STACKS and more stacks that had to die before it is due. */
#ifndef SOAK_COMPACT_H
#define SOAK_COMPACT_H

static int compact_due(void) {
    return book.dead > SPARE_STACKS + (COUNT_OF(book.stacks, struct stack) - book.dead);
}

static uint32_t keep_text(const char *old_texts, uint32_t at) {
    return intern_text(old_texts + at + 4, FIELD(uint32_t, old_texts, at));
}

/* Copies the live stacks out of `texts`, `frames`, `refs`, `stacks` into the fresh book; `moved[old] = new + 1`. */
static int copy_live(const char *texts, const struct frame *frames, const uint32_t *refs, const struct stack *stacks,
                     uint32_t count, uint32_t *moved) {
    for (uint32_t i = 0; i < count; i++) {
        const struct stack *s = &stacks[i];
        struct walk shape = {.depth = s->depth, .partial = s->partial};
        uint32_t ids[MAX_DEPTH], file, func;
        uint64_t h = mix(s->caller, (uint64_t)s->depth << 1 | s->partial);
        if (!s->live) continue;
        for (int k = 0; k < s->depth; k++) {
            const struct frame *f = &frames[refs[s->first + (uint32_t)k]];
            if (!(file = keep_text(texts, f->file)) || !(func = keep_text(texts, f->func))) return 0;
            if (!(ids[k] = intern_frame((struct frame){file - 1, func - 1, f->line}))) return 0;
            h = mix(h, --ids[k]);
        }
        if (!index_room(&book.stack_index, 2) || !(moved[i] = add_stack(h, ids, &shape, s->caller))) return 0;
        STACKS[moved[i] - 1].live = s->live;
        book.dead--;
    }
    return 1;
}

/* Without memory for the copy everything stays as it was. */
static void compact(void) {
    struct vec texts = book.texts, frames = book.frames, refs = book.refs, stacks = book.stacks;
    struct index text_index = book.text_index, frame_index = book.frame_index, stack_index = book.stack_index;
    uint32_t count = COUNT_OF(stacks, struct stack), dead = book.dead;
    uint32_t *moved = own_map((size_t)count * 4);
    if (!moved) return;
    memset(&book, 0, sizeof book);
    if (book_open() && copy_live(texts.data, (struct frame *)frames.data, (uint32_t *)refs.data,
                                 (struct stack *)stacks.data, count, moved)) {
        for (uint32_t i = 0; i < live.size; i++)
            if (live.slot[i].address) live.slot[i].stack = moved[live.slot[i].stack] - 1;
        vec_free(&texts), vec_free(&frames), vec_free(&refs), vec_free(&stacks);
        index_free(&text_index), index_free(&frame_index), index_free(&stack_index);
    } else {
        book_close();
        book.texts = texts, book.frames = frames, book.refs = refs, book.stacks = stacks;
        book.text_index = text_index, book.frame_index = frame_index, book.stack_index = stack_index;
        book.dead = dead;
        caches_clear();
    }
    own_unmap(moved, (size_t)count * 4);
}

#endif
