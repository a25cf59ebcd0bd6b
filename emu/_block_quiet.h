/*
 * Blocks that need no walk of page tables, and whose operands lie in a line each. Part of _blocks.h.
 *
 * The TLB has their pages, and nothing is left of that but which one each of its sets was touched for last; L1 is
 * looked at, line by line (LINES_ONLY). Where TLB and L1 were touched last for the very same, to touch them again
 * changes nothing, and only write buffers are left (QUIET); where that holds for the block's code, and no operand
 * has its sets, its operands are left (DATA_ONLY). Every other block is replayed (_block_charge.h), and so
 * is one of these that breaks off: all charge the same.
 */
#ifndef EMU_BLOCK_QUIET_H
#define EMU_BLOCK_QUIET_H

static INLINE int quiet_line(const struct timing *t, uint32_t line)
{
    return t->l1_last[line & 127] == line + 1;
}

/* The frame of a page that the TLB has, and for a write has as dirty; 0 when it has not. *pages: its set would
 * notice. */
static INLINE int held_page(const struct timing *t, uint32_t page, int write, int paged, uint32_t *frame,
                            uint32_t *pages)
{
    uint32_t entry;

    *frame = page << 12;
    if (!paged)
        return 1;
    if (!tlb_entry(t, page, (uint32_t)write, &entry, pages))
        return 0;
    *frame = t->tlb_frames[entry];
    return 1;
}

/* How much of memory has to be looked at when the block has run; addresses and lines of its operands are noted. */
static INLINE int foresee_memory(struct blocks *b, const struct timing *t, const struct block *block)
{
    const struct check *k = &b->check[block->checks], *end = k + block->check_count;
    int paged = (live(t, t->at_cr0) & CR0_PG) != 0;
    uint32_t frame, line, first, last, *noted = b->address, *lines = b->line;
    uint32_t code = block->flag_count && block->store_count; /* LINES_ONLY knows what SETcc delays */
    uint32_t data = 0, beside = 0, pages = 0, moved;

    if (!held_page(t, block->address >> 12, 0, paged, &frame, &code))
        return ALL_MEMORY;
    b->code_frame = frame;
    first = (frame | (block->address & 0xfff)) >> 4;
    last = (frame | ((block->end - 1) & 0xfff)) >> 4;
    for (line = first; line <= last; line++)
        code |= !quiet_line(t, line);
    for (; k != end; k++) {
        uint32_t address = operand_address(k);

        moved = 0;
        if ((address & 3) + k->word > 4 || (address & 15) + k->size > 16 ||
            !held_page(t, address >> 12, k->use & USE_WRITE, paged, &frame, &moved))
            return ALL_MEMORY;
        *noted++ = address;
        *lines++ = line = (frame | (address & 0xfff)) >> 4;
        if (!quiet_line(t, line) && (k->use & USE_READ || way_of(t->l1_tags, line & 127, line + 1) >= 0)) {
            data = 1;
            beside |= ((line - first) & 127) <= last - first;
        }
        if (UNLIKELY(moved)) {
            data = pages = 1;
            beside |= !(((address ^ block->address) >> 12) & 7);
        }
    }
    b->touch_pages = code | pages;
    return code | (data & beside) ? LINES_ONLY : data ? DATA_ONLY : QUIET;
}

/* Clocks beyond what is fixed that have passed when an instruction begins, memory aside. */
static HOT uint64_t extras_before(const struct blocks *b, uint32_t part)
{
    uint64_t clocks = part ? b->extra_agi + b->extra_byte : 0;
    uint32_t n;

    for (n = 0; n < b->extra_count; n++)
        if (b->extra[n].part < part)
            clocks += (uint64_t)(int64_t)(int32_t)b->extra[n].clocks;
    return clocks;
}

/* A store of an instruction of the block: how long it waits for a buffer, which its record hears of. */
static INLINE uint64_t wait_for_buffer(struct blocks *b, struct timing *t, const struct block *block, uint32_t part,
                                       uint64_t now)
{
    uint64_t wait = buffer_store(t, now);

    if (UNLIKELY(wait))
        part_insn(b, &b->part[block->parts + part])->spent[R_WRITE_BUFFER] += wait;
    return wait;
}

/* What write buffers make this block wait; `start` is its first clock. */
static INLINE uint64_t quiet_waits(struct blocks *b, struct timing *t, const struct block *block, uint64_t start,
                                   int extras)
{
    const struct store *store = &b->store[block->stores], *end = store + block->store_count;
    uint64_t waited = 0, before = 0;
    uint32_t part = 0;

    for (; store != end; store++) {
        if (store->part != part) { /* what an instruction waits for, the next ones find passed */
            part = store->part;
            before = waited;
            if (extras)
                before += extras_before(b, part);
        }
        waited += wait_for_buffer(b, t, block, part, start + before + store->clocks);
    }
    return waited;
}

/* The clocks of a quiet block that has run to its end, but for a jump. */
static INLINE uint64_t quiet_clocks(struct engine_state *s, struct blocks *b, struct timing *t,
                                    const struct block *block)
{
    t->code_line = (block->end - 1) >> 4;
    t->code_next = block->end;
    return block->fixed + quiet_waits(b, t, block, s->cycles + s->extra, 0);
}

/* The same, of one with extra clocks. */
static HOT uint64_t quiet_odd_clocks(struct engine_state *s, struct blocks *b, struct timing *t,
                                     const struct block *block)
{
    uint64_t waited = quiet_waits(b, t, block, s->cycles + s->extra, 1);

    t->code_line = (block->end - 1) >> 4;
    t->code_next = block->end;
    return block->fixed + waited + take_all_extras(b, block);
}

/* The TLB has it: foresee_memory. */
static INLINE void touch_page(const struct blocks *b, struct timing *t, uint32_t page)
{
    if (b->touch_pages)
        set_find(t->tlb_tags, t->tlb_bits, t->tlb_last, page & 7, page + 1);
}

/* The clocks of a block under DATA_ONLY that has run to its end, but for a jump. */
static INLINE uint64_t data_clocks(struct engine_state *s, struct blocks *b, struct timing *t,
                                   const struct block *block)
{
    const struct check *c = &b->check[block->checks], *end = c + block->check_count;
    const struct store *store = &b->store[block->stores];
    const uint32_t *line = b->line;
    uint64_t start = s->cycles + s->extra, passed = 0, waited = 0; /* in front of an instruction, and in it */
    uint32_t part = NO_PART, word;

    for (; c != end; c++, line++) {
        if (c->part != part) {
            part = c->part;
            passed += waited;
            waited = 0;
        }
        touch_page(b, t, b->address[line - b->line] >> 12);
        if (!(c->use & USE_READ))
            l1_write(t, *line);
        else if (l1_read(t, *line)) {
            part_insn(b, &b->part[block->parts + part])->spent[R_L1_DATA] += c->miss;
            waited += c->miss;
        }
        for (word = 0; c->use & USE_WRITE && word < c->size; word += 4, store++) {
            uint64_t before = b->odd ? extras_before(b, part) : 0;

            waited += wait_for_buffer(b, t, block, part, start + passed + before + store->clocks);
        }
    }
    t->code_line = (block->end - 1) >> 4;
    t->code_next = block->end;
    return block->fixed + passed + waited + (b->odd ? take_all_extras(b, block) : 0);
}

/* -- the lines of a block, in the order in which it reaches for them --------------------------- */

/* A line of code: the clocks of a miss. `dwords` of it are run first after a jump; -1: it follows the one before. */
static INLINE uint32_t fetch_noted(struct blocks *b, struct timing *t, uint32_t line, int dwords)
{
    touch_page(b, t, line >> 8);
    if (!l1_read(t, (b->code_frame >> 4) | (line & 0xff)))
        return 0;
    return code_miss(t, (uint32_t)dwords, dwords < 0);
}

static INLINE uint32_t fetch_part(struct blocks *b, struct timing *t, uint32_t address, uint32_t length, int jumped)
{
    uint32_t first = address >> 4, behind = address + length - 1, last = behind >> 4, clocks = 0;

    if (jumped || first != t->code_line) {
        uint32_t end = last != first ? address | 15 : behind;

        clocks = fetch_noted(b, t, first, jumped ? (int)((end >> 2) - (address >> 2) + 1) : -1);
    }
    if (last != first)
        clocks += fetch_noted(b, t, last, -1);
    t->code_line = last;
    return clocks;
}

/* The clocks of a block under LINES_ONLY that has run to its end, but for a jump. */
static HOT uint64_t lines_clocks(struct engine_state *s, struct blocks *b, struct timing *t,
                                 const struct block *block, int extras)
{
    const struct part *parts = &b->part[block->parts], *part;
    const struct check *c = &b->check[block->checks], *end = c + block->check_count;
    const uint32_t *line = b->line;
    uint64_t start = s->cycles + s->extra, dynamic = 0;
    uint32_t n, word;

    for (n = 0; n < block->n; n = part->next_event) {
        uint32_t address = block->address + parts[n].offset, data = 0, stores = 0;
        uint32_t code = fetch_part(b, t, address, parts[n].length, n == 0 && address != t->code_next);
        uint64_t waits = 0;

        part = &parts[n];
        for (; c != end && c->part == n; c++, line++) {
            touch_page(b, t, b->address[line - b->line] >> 12);
            if (!(c->use & USE_READ))
                l1_write(t, *line);
            else if (l1_read(t, *line))
                data += c->miss;
            for (word = 0; c->use & USE_WRITE && word < c->size; word += 4)
                waits += buffer_store(t, start + dynamic + part->before + stores++);
        }
        if (extras)
            dynamic += take_extras(b, block, n, n + 1);
        if (code | data | waits) {
            uint64_t *spent = part_insn(b, part)->spent;

            spent[R_L1_CODE] += code;
            spent[R_L1_DATA] += data;
            spent[R_WRITE_BUFFER] += waits;
            dynamic += code + data + waits;
        }
    }
    t->code_line = (block->end - 1) >> 4;
    t->code_next = block->end;
    return block->fixed + dynamic;
}

#endif
