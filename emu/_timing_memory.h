/* L1, TLB, write buffers, and what an access to memory costs: emu/timing/memory.py. Part of _timing.h. */

/* -- L1, TLB, write buffers: emu/timing/memory.py -------------------------------------------- */

static uint32_t plru_touch(uint32_t bits, uint32_t way)
{
    if (way < 2)
        return ((bits | 1) & ~2u) | (way ? 0 : 2);
    return (bits & ~5u) | (way & 1 ? 0 : 4);
}

static uint32_t plru_victim(uint32_t bits)
{
    if (bits & 1)
        return bits & 4 ? 3 : 2;
    return bits & 2 ? 1 : 0;
}

/* The way that was touched last, by the set's bits; touching it again changes nothing. Which tag it has is in `last`,
 * where that has been noted. */
static const uint8_t TOUCHED_LAST[8] = {3, 1, 3, 0, 2, 1, 2, 0};

/* The way that has the tag; -1 when none has. Nothing is touched. */
static INLINE int way_of(const uint32_t *tags, uint32_t index, uint32_t tag)
{
    int way;

    for (way = 0; way < WAYS; way++)
        if (tags[index * WAYS + (uint32_t)way] == tag)
            return way;
    return -1;
}

static HOT int find_and_touch(const uint32_t *tags, uint32_t *bits, uint32_t *last, uint32_t index, uint32_t tag)
{
    int way = way_of(tags, index, tag);

    if (way >= 0) {
        bits[index] = plru_touch(bits[index], (uint32_t)way);
        last[index] = tag;
    }
    return way;
}

static INLINE int set_find(const uint32_t *tags, uint32_t *bits, uint32_t *last, uint32_t index, uint32_t tag)
{
    return last[index] == tag ? TOUCHED_LAST[bits[index] & 7] : find_and_touch(tags, bits, last, index, tag);
}

static uint32_t set_fill(uint32_t *tags, uint32_t *bits, uint32_t *last, uint32_t index, uint32_t tag)
{
    uint32_t way;

    for (way = 0; way < WAYS; way++)
        if (!tags[index * WAYS + way])
            break;
    if (way == WAYS)
        way = plru_victim(bits[index]);
    tags[index * WAYS + way] = tag;
    bits[index] = plru_touch(bits[index], way);
    last[index] = tag;
    return way;
}

static INLINE int l1_read(struct timing *t, uint32_t line)
{
    if (set_find(t->l1_tags, t->l1_bits, t->l1_last, line & 127, line + 1) >= 0)
        return 0;
    set_fill(t->l1_tags, t->l1_bits, t->l1_last, line & 127, line + 1);
    return 1;
}

static INLINE void l1_write(struct timing *t, uint32_t line)
{
    set_find(t->l1_tags, t->l1_bits, t->l1_last, line & 127, line + 1);
}

static void tlb_flush(struct timing *t)
{
    memset(t->tlb_tags, 0, sizeof t->tlb_tags);
    memset(t->tlb_bits, 0, sizeof t->tlb_bits);
    memset(t->tlb_last, 0, sizeof t->tlb_last);
    t->code_line = NOWHERE;
}

static int tlb_drop(struct timing *t, uint32_t page)
{
    uint32_t index = page & 7;
    int way = way_of(t->tlb_tags, index, page + 1);

    if (way < 0)
        return 0;
    t->tlb_tags[index * WAYS + (uint32_t)way] = 0;
    t->tlb_last[index] = 0;
    return 1;
}

/* A store that begins at `now`: how long it waits for a buffer. */
static INLINE uint64_t buffer_store(struct timing *t, uint64_t now)
{
    uint64_t *done = t->store_done, wait = done[0] > now ? done[0] - now : 0, start = now + wait;

    if (done[3] > start)
        start = done[3];
    done[0] = done[1];
    done[1] = done[2];
    done[2] = done[3];
    done[3] = start + t->store_clocks;
    return wait;
}

static INLINE void store_one(struct engine_state *s, struct timing *t)
{
    const struct insn *insns = (const struct insn *)(uintptr_t)t->insns;
    uint64_t now = s->cycles + s->extra + t->stores, wait;

    if (t->current && insns[t->current - 1].kind == K_REP && t->iterations)
        now += insns[t->current - 1].rep_start +
            (uint64_t)insns[t->current - 1].rep_each * t->iterations;
    t->stores++;
    wait = buffer_store(t, now);
    if (UNLIKELY(wait))
        add_clocks(t, R_WRITE_BUFFER, wait);
}

/* Rule 13: the frame of a linear page through page tables, and into the TLB. */
static HOT uint32_t walk(struct engine_state *s, struct timing *t, uint32_t page, int write)
{
    uint32_t index = page & 7, at, entry, frame, missed, updates = 0;
    int way;

    at = (live(t, t->at_cr3) & ~0xfffu) + (page >> 10) * 4;
    entry = word_at(s, at);
    if (!(entry & PTE_P))
        return NO_FRAME;
    missed = (uint32_t)l1_read(t, at >> 4);
    if (entry & PDE_PS && live(t, t->at_cr4) & CR4_PSE) {
        frame = (entry & 0xffc00000u) | ((page & 0x3ff) << 12);
    } else {
        updates = !(entry & PTE_A_);
        at = (entry & ~0xfffu) + (page & 0x3ff) * 4;
        entry = word_at(s, at);
        if (!(entry & PTE_P))
            return NO_FRAME;
        missed += (uint32_t)l1_read(t, at >> 4);
        frame = entry & ~0xfffu;
    }
    updates += !(entry & PTE_A_) || (write && !(entry & PTE_D_));
    add_clocks(t, R_TLB, t->walk + t->walk_line * missed + t->walk_updates[updates]);
    way = set_find(t->tlb_tags, t->tlb_bits, t->tlb_last, index, page + 1);
    if (way < 0)
        way = (int)set_fill(t->tlb_tags, t->tlb_bits, t->tlb_last, index, page + 1);
    t->tlb_frames[index * WAYS + way] = frame;
    t->tlb_dirty[index * WAYS + way] = write || (entry & PTE_D_) ? 1 : 0;
    return frame;
}

/* The frame of a linear page through the TLB. */
static INLINE uint32_t translate(struct engine_state *s, struct timing *t, uint32_t page, int write)
{
    uint32_t index = page & 7;
    int way;

    if (!(live(t, t->at_cr0) & CR0_PG))
        return page << 12;
    way = set_find(t->tlb_tags, t->tlb_bits, t->tlb_last, index, page + 1);
    if (way >= 0 && (!write || t->tlb_dirty[index * WAYS + way]))
        return t->tlb_frames[index * WAYS + way];
    return walk(s, t, page, write);
}

/* Goes over the physical lines of an access: *line is the next linear one, *frame its page's. */
struct walk_lines {
    uint64_t line, end;
    uint32_t frame;
    int first;
};

static void lines_begin(struct walk_lines *w, uint32_t address, uint32_t size)
{
    w->line = address >> 4;
    w->end = (uint64_t)address + size;
    w->frame = NO_FRAME;
    w->first = 1;
}

/* 1 and a physical line, -1 for a line that is not mapped, 0 at the end. */
static int lines_next(struct engine_state *s, struct timing *t, struct walk_lines *w, int write,
                      uint32_t *physical)
{
    uint32_t linear;

    if (w->line << 4 >= w->end)
        return 0;
    linear = (uint32_t)(w->line << 4);
    if (w->first || !(linear & 0xfff))
        w->frame = translate(s, t, linear >> 12, write);
    w->first = 0;
    w->line++;
    if (w->frame == NO_FRAME)
        return -1;
    *physical = (w->frame | (linear & 0xfff)) >> 4;
    return 1;
}

static uint32_t crossings(uint32_t address, uint32_t size)
{
    uint32_t skew = address & 3, at, count = 0;

    for (at = 0; at < size; at += 4)
        count += skew + (size - at < 4 ? size - at : 4) > 4;
    return count;
}

/* An access inside one line, which is what nearly every one is. */
static INLINE void access_line(struct engine_state *s, struct timing *t, uint32_t address, uint32_t size,
                        uint32_t use, uint32_t miss)
{
    uint32_t frame = translate(s, t, address >> 12, use & USE_WRITE), line, n;

    if (frame == NO_FRAME)
        return;
    line = (frame | (address & 0xfff)) >> 4;
    if (!(use & USE_READ))
        l1_write(t, line);
    else if (l1_read(t, line))
        add_clocks(t, R_L1_DATA, miss);
    if (use & USE_WRITE) {
        n = (size + 3) / 4;
        if ((address & 3) + size > 4)
            n += crossings(address, size);
        for (; n; n--)
            store_one(s, t);
    }
}

/* Model._access: first every translation, then L1, as the reference does. */
static HOT void access_lines(struct engine_state *s, struct timing *t, uint32_t address, uint32_t size,
                             uint32_t use, uint32_t miss)
{
    uint32_t lines[16], count = 0, line, n;
    struct walk_lines w;
    int found;

    lines_begin(&w, address, size);
    while ((found = lines_next(s, t, &w, use & USE_WRITE, &line)) != 0)
        if (found > 0 && count < 16)
            lines[count++] = line;
    for (n = 0; n < count; n++) {
        if (!(use & USE_READ))
            l1_write(t, lines[n]);
        else if (l1_read(t, lines[n]))
            add_clocks(t, R_L1_DATA, miss);
    }
    if (use & USE_WRITE && count)
        for (n = (size + 3) / 4 + crossings(address, size); n; n--)
            store_one(s, t);
}

static INLINE void access_memory(struct engine_state *s, struct timing *t, uint32_t address, uint32_t size,
                                 uint32_t use, uint32_t miss)
{
    if (size && (address & 15) + size <= 16)
        access_line(s, t, address, size, use, miss);
    else
        access_lines(s, t, address, size, use, miss);
}

/* Model._share: the part of an all-miss penalty for the lines that miss. */
struct share {
    uint32_t missed, touched;
};

static void share_lines(struct engine_state *s, struct timing *t, struct share *sum,
                        uint32_t address, uint32_t size)
{
    uint32_t lines[16], count = 0, line, n;
    struct walk_lines w;
    int found;

    lines_begin(&w, address, size);
    while ((found = lines_next(s, t, &w, 0, &line)) != 0)
        if (found > 0 && count < 16)
            lines[count++] = line;
    for (n = 0; n < count; n++) {
        sum->touched++;
        sum->missed += (uint32_t)l1_read(t, lines[n]);
    }
}

static uint32_t share_of(const struct share *sum, uint32_t full)
{
    return sum->touched ? (full * sum->missed + sum->touched - 1) / sum->touched : 0;
}
