/* What a block that has run, or a part of one, costs. Part of _blocks.h. */

/* -- under a profile with memory: each instruction of a block in turn, when they have run ----- */

static INLINE void begin_part(struct engine_state *s, struct blocks *b, const struct block *block, uint32_t k,
                              uint32_t *check)
{
    struct timing *t = records_of(b);
    const struct part *part = &b->part[block->parts + k];
    const struct check *c = &b->check[block->checks + *check];

    clear_pending(t);
    t->stores = 0;
    fetch_code(s, t, block->address + part->offset, part->length);
    for (; *check < block->check_count && c->part == k; ++*check, c++)
        access_memory(s, t, b->address[*check], c->size, c->use, c->miss);
}

/* Clocks that an instruction takes beyond what is fixed; its record hears of them. */
static INLINE uint64_t take_one_extra(const struct blocks *b, uint32_t n)
{
    *(uint64_t *)(uintptr_t)b->extra[n].counter += b->extra[n].count;
    return (uint64_t)(int64_t)(int32_t)b->extra[n].clocks;
}

/* What SETcc instructions cost more, from part `from` to part `end`, when the condition holds: the register
 * still says so. */
static HOT uint64_t take_flags(struct blocks *b, const struct block *block, uint32_t from, uint32_t end)
{
    uint64_t clocks = 0;
    uint32_t n;

    for (n = 0; n < block->flag_count; n++) {
        struct insn *i = part_insn(b, &b->part[block->parts + block->flag_part[n]]);

        if (block->flag_part[n] < from || block->flag_part[n] >= end ||
            !(gpr(records_of(b), block->flag_register[n]) & 0xff))
            continue;
        i->taken_count++;
        clocks += (uint64_t)i->taken - i->base;
    }
    return clocks;
}

/* What the first instruction waits for. */
static INLINE uint64_t take_stall(struct blocks *b, const struct block *block)
{
    if (b->extra_agi | b->extra_byte) {
        struct insn *first = part_insn(b, &b->part[block->parts]);

        first->spent[R_AGI] += b->extra_agi;
        first->spent[R_BYTE] += b->extra_byte;
    }
    return b->extra_agi + b->extra_byte;
}

/* The clocks of a block that has run to its end beyond what is fixed, its memory aside. */
static INLINE uint64_t take_all_extras(struct blocks *b, const struct block *block)
{
    uint64_t clocks = take_stall(b, block);
    uint32_t n;

    for (n = 0; n < b->extra_count; n++)
        clocks += take_one_extra(b, n);
    return UNLIKELY(block->flag_count) ? clocks + take_flags(b, block, 0, block->n) : clocks;
}

/* The same, of the instructions from part `from` to part `end`. */
static HOT uint64_t take_extras(struct blocks *b, const struct block *block, uint32_t from, uint32_t end)
{
    uint64_t clocks = from == 0 && end ? take_stall(b, block) : 0;
    uint32_t n;

    for (n = 0; n < b->extra_count; n++)
        if (b->extra[n].part >= from && b->extra[n].part < end)
            clocks += take_one_extra(b, n);
    return UNLIKELY(block->flag_count) ? clocks + take_flags(b, block, from, end) : clocks;
}

/* L1, TLB and write buffers see the first k instructions, and the next one begin where it faulted. */
static HOT void replay(struct engine_state *s, struct blocks *b, const struct block *block, uint32_t k,
                       int begun)
{
    struct timing *t = records_of(b);
    const struct part *parts = &b->part[block->parts];
    uint64_t start = s->cycles; /* and what was dynamic since */
    uint32_t n, check = 0, last = 0;
    int extras = b->odd != 0;

    t->current = 0;
    for (n = 0; n < k; n = parts[n].next_event) {
        s->cycles = start + parts[n].before;
        if (n)
            t->code_next = block->address + parts[n].offset;
        begin_part(s, b, block, n, &check);
        if (UNLIKELY(extras))
            s->cycles += take_extras(b, block, n, n + 1);
        if (UNLIKELY(t->dirty))
            commit(s, part_insn(b, &parts[n]), t->pending);
        start = s->cycles - parts[n].before;
        last = n;
    }
    if (k) {
        n = k - 1;
        s->cycles = start + parts[n].behind;
        t->code_next = block->address + parts[n].offset + parts[n].length;
        if (last != n) {
            clear_pending(t);
            t->stores = 0;
        }
    }
    if (begun)
        begin_part(s, b, block, k, &check);
}

#include "_block_quiet.h"

static INLINE void count_block(struct engine_state *s, struct block *block)
{
    block->count++;
    s->retired += block->n;
}

/* So many clocks, and those of its jump, when it has jumped. */
static INLINE void count_charged(struct engine_state *s, struct timing *t, struct block *block, uint32_t next,
                                 uint64_t clocks)
{
    uint64_t jumped = block->branch & (uint64_t)(next != block->end); /* without a branch, which would be as hard to foresee */

    count_block(s, block);
    block->taken += jumped;
    s->cycles += clocks + ((uint64_t)(int64_t)block->taken_more & (0 - jumped));
    t->previous_writes = block->last_writes;
    t->previous_bytes = block->last_bytes;
}

/* The clocks of a block that has run to its end, but for a jump. */
static INLINE uint64_t clocks_with_memory(struct engine_state *s, struct blocks *b, struct timing *t,
                                          const struct block *block)
{
    switch (b->memory) {
    case QUIET:
        return b->odd ? quiet_odd_clocks(s, b, t, block) : quiet_clocks(s, b, t, block);
    case DATA_ONLY:
        return data_clocks(s, b, t, block);
    case LINES_ONLY:
        return lines_clocks(s, b, t, block, b->odd != 0);
    default:
        replay(s, b, block, block->n, 0);
        return 0;
    }
}

/* The same, under a profile without memory. */
static INLINE uint64_t clocks_without_memory(struct blocks *b, const struct block *block)
{
    return block->fixed + (b->odd ? take_all_extras(b, block) : 0);
}

/* The block has run to its end, and the next instruction is at `next`. */
static inline void finish_block(struct engine_state *s, struct blocks *b, struct block *block, uint32_t next)
{
    struct timing *t = records_of(b);
    uint64_t clocks;

    if (!b->timed) {
        count_block(s, block);
        return;
    }
    clocks = t->memory ? clocks_with_memory(s, b, t, block) : clocks_without_memory(b, block);
    if (UNLIKELY(block->repeats))
        clocks += take_rep(b, block);
    count_charged(s, t, block, next, clocks);
}

/* Only the first k instructions have completed; the next one was begun, when it faulted. */
static COLD void break_off(struct engine_state *s, struct blocks *b, struct block *block, uint32_t k,
                      int begun)
{
    struct timing *t = records_of(b);
    uint64_t clocks = 0;
    uint32_t n;

    if (b->timed && t->memory)
        replay(s, b, block, k, begun);
    if (!k)
        return;
    s->retired += k;
    for (n = 0; n < k; n++) {
        struct part *part = &b->part[block->parts + n];
        struct insn *i = part_insn(b, part);

        i->count++;
        if (!b->timed)
            continue;
        i->spent[R_AGI] += part->agi;
        i->spent[R_BYTE] += part->byte;
        i->spent[R_MULTIPLY] += part->multiply;
        clocks += i->fixed + part->agi + part->byte + part->multiply;
        t->previous_writes = i->writes;
        t->previous_bytes = i->byte_writes;
    }
    if (b->timed && !t->memory)
        s->cycles += clocks + take_extras(b, block, 0, k);
}

/* A REP instruction has faulted: what it did before costs. */
static void cut_rep(struct engine_state *s, struct blocks *b, const struct block *block)
{
    if (b->timed && b->rep_start != gpr(records_of(b), G_ECX))
        s->cycles += take_rep(b, block);
}

/* Which instruction of the block is at an address; block->n when none is. */
static uint32_t part_at(const struct blocks *b, const struct block *block, uint32_t address)
{
    uint32_t offset = address - block->address, k;

    for (k = 0; k < block->n; k++)
        if (b->part[block->parts + k].offset == offset)
            return k;
    return block->n;
}

static uint32_t part_length(const struct blocks *b, const struct block *block, uint32_t k)
{
    uint32_t end = k + 1 < block->n ? b->part[block->parts + k + 1].offset : block->size;

    return end - b->part[block->parts + k].offset;
}

static uint32_t last_address(const struct blocks *b, const struct block *block)
{
    return block->address + b->part[block->parts + block->n - 1].offset;
}

/* An instruction that stores into its own block is begun anew, alone in a block: what has completed
 * of the old block is what stands before it. */
static COLD uint32_t begun_anew(const struct blocks *b, const struct block *block, uint32_t address,
                           uint32_t size)
{
    uint32_t k;

    if (address - block->address >= block->size)
        return block->n;
    k = part_at(b, block, address);
    if (k == block->n || size != part_length(b, block, k))
        return block->n;
    if (k + 1 == block->n && !block->last_stores)
        return block->n;
    return k;
}
