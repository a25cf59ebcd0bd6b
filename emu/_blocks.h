/*
 * Whole blocks at a time: what makes counting and static timing free.
 *
 * The engine calls the code hook before every instruction, which halves its speed. Most blocks need
 * no such care: how many instructions they have and what these cost is known once. So there are two
 * translations of guest code, told apart by a bit in hflags that the engine keeps apart translations
 * by and otherwise ignores: one with the code hook ("exact": on_code in _native.c), and one with only the
 * block hook ("whole": here). A run goes from one to the other at the start of a block, as
 * often as it likes; both count the same, to the instruction and to the clock.
 *
 * A block is whole when every instruction is on the list in plain_insn() and every misaligned
 * operand can be foreseen from the registers at the block's start. A block that faults half-way is
 * settled by EIP, which is exact.
 */
#ifndef EMU_BLOCKS_H
#define EMU_BLOCKS_H

enum { BLOCKS = 1 << 14, BLOCK_BUCKETS = 1 << 14, BLOCK_PARTS = 1 << 17, BLOCK_CHECKS = 1 << 15, BLOCK_STORES = 1 << 15, MOST_STORES = 256, SEEN_BREAKS = 64,
       BLOCK_CODE = 1 << 20, LONGEST_BLOCK = 512, LATE = 64, SHORTEST_EXACT = 64,
       LONGEST_EXACT = 1 << 16, NO_PART = LONGEST_BLOCK, SOON = 256, BLOCK_STEPS = 1 << 16, VALUES = 64, LATE_FLAGS = 2 };
enum { EFLAGS_TF = 0x100, HF_CS32 = 0x10, HF_WHOLE = 1 << 30 };
enum { MODE_EXACT, MODE_WHOLE, NO_SITES = 0xffff };
enum { ALL_MEMORY, LINES_ONLY, DATA_ONLY, QUIET };
#define NEVER (1ull << 63)

struct part {               /* an instruction of a block */
    uint32_t record;        /* its struct insn */
    uint32_t before, behind; /* clocks up to it, and with it, without anything dynamic */
    uint16_t offset;        /* bytes from the block's start */
    uint16_t next_event;    /* the next one that reaches for memory: for data, or for another line of code */
    uint8_t agi, byte;      /* clocks that the instruction before it always causes */
    uint8_t multiply;       /* of a multiplication by what stands in the code */
    uint8_t length;
};

struct check {              /* a memory operand, addressed by the registers at the block's start */
    uint64_t segment_place, base_place, index_place; /* const uint32_t *: place_of() */
    int32_t displacement;
    uint16_t part;
    uint8_t base, index, scale, segment, size, use, miss;
    uint8_t word;           /* as much of it as must lie in one word: size, or 4 */
};

struct store {              /* of an aligned word, by an operand of a block */
    uint32_t clocks;        /* from the block's start, without anything dynamic */
    uint32_t part;
};

struct step {               /* makes a value at the block's start (_block_values.h): `to` of a + plus and b + plus_b */
    uint64_t place_a, place_b; /* of a and b */
    uint32_t plus, plus_b;
    uint16_t checks, part;  /* a load: operands in front of it; clocks: whose */
    uint8_t op, to, a, b;
    uint8_t scale;          /* of b; the condition of V_CONDITION; V_CLOCKS_SIGNED: least clocks of a negative number */
    uint8_t segment, size;
    uint8_t stores;         /* one of those operands in front of it is written to */
    uint8_t multiplies;     /* what it loads is what the next step, V_CLOCKS_SIGNED, is about */
    uint64_t counter;       /* of the clocks that it finds: where they are counted, uint64_t * */
};

/* What stands for a value: a register at the block's start, no register, a step, or what a SETcc makes. */
enum { R_NONE = 8, FIRST_VALUE = 9, R_FLAG = VALUES };

struct symbol {             /* what a register holds, from the registers at the block's start */
    uint8_t known, from;
    uint32_t plus;
};

struct block {              /* what each run needs comes first */
    uint64_t state, owner;  /* struct engine_state *, struct blocks * */
    uint32_t tag;           /* what the engine says of it: give_block() */
    uint32_t address, size, end;
    uint64_t room;          /* clocks that must be left, so that it begins at once; more than there are: it never does */
    uint32_t fixed, most;   /* clocks: without anything dynamic, and at most */
    int32_t taken_more;
    uint16_t n;
    uint8_t costly;         /* by numbers or flags */
    uint16_t needs, leaves; /* registers of the first instruction, and of the last: bits that meet cost clocks */
    uint16_t check_count, quick_count; /* the quick checks stand behind the others */
    uint64_t count, taken;  /* times it has run to its end, and jumped, since the counts were taken */
    uint32_t last_writes, last_bytes;
    uint32_t parts, checks, stores, steps, code, next;
    uint32_t target;        /* of a direct jump or call at the end */
    uint16_t store_count, step_count;
    uint16_t flag_part[LATE_FLAGS]; /* SETcc, whose register still has it at the end */
    uint8_t first_address, first_reads, slow, branch, indirect, last_stores, repeats;
    uint8_t flag_count, flag_register[LATE_FLAGS];
    struct symbol rep_count, rep_source, rep_target;
};

struct blocks {             /* the fields up to `given` are known to Python: BlockState in emu/blocks.py */
    uint64_t records;       /* struct timing *: where instructions are looked up */
    uint64_t bounds;        /* uint64_t[2]: the addresses that the code hook is called for */
    uint64_t timed;         /* instructions are charged, too */
    uint64_t mode;          /* after a run: how it ended; for tests */
    uint64_t exact_until;   /* stay exact until so many instructions have retired */
    uint64_t whole_since, span;
    uint64_t epoch;         /* which filling of the tables, for tags; NO_SITES: no call of the engine's is changed */
    uint64_t given;         /* calls of the engine's that have a block */
    uint32_t seen_count, seen[SEEN_BREAKS]; /* breakpoints: blocks with one have no tag */
    struct block *current;  /* the one that runs */
    uint32_t extra_count;
    uint32_t extra_agi, extra_byte;
    uint32_t odd;           /* the block that runs costs more than what is fixed, its memory aside */
    uint32_t load_page, load_frame; /* of the value that was read last; 0 when it is to be looked up */
    uint64_t charged_from;      /* clocks when blocks began to run whole */
    uint32_t user, may_whole, rep_start;
    uint32_t begun;         /* where the last translation with the code hook begins */
    uint32_t used, parts_used, checks_used, stores_used, code_used, steps_used;
    uint32_t memory, touch_pages, code_frame; /* how much the block that runs must look at: _block_quiet.h */
    struct { uint32_t part, clocks, count; uint64_t counter; } extra[3 * LONGEST_BLOCK]; /* *counter += count */
    uint64_t value[VALUES];     /* what the steps of the block have made, from FIRST_VALUE on; 0 below */
    struct symbol stored[4 * LONGEST_BLOCK]; /* by the operands of the block that is being worked out */
    uint32_t address[2 * LONGEST_BLOCK], line[2 * LONGEST_BLOCK]; /* of the operands of the current block */
    uint32_t buckets[BLOCK_BUCKETS];
    struct block block[BLOCKS];
    struct part part[BLOCK_PARTS];
    struct check check[BLOCK_CHECKS];
    struct store store[BLOCK_STORES];
    struct step step[BLOCK_STEPS];
    uint8_t code[BLOCK_CODE];
};

static struct blocks *blocks_of(struct engine_state *s)
{
    return (struct blocks *)(uintptr_t)s->blocks;
}

static struct timing *records_of(const struct blocks *b)
{
    return (struct timing *)(uintptr_t)b->records;
}

/* As frame_of, without asking the engine. */
static uint32_t frame_from_state(const struct engine_state *s, uint32_t page)
{
    return plain_frame(s, records_of((struct blocks *)(uintptr_t)s->blocks), page);
}

static struct insn *part_insn(struct blocks *b, const struct part *part)
{
    return (struct insn *)(uintptr_t)records_of(b)->insns + part->record;
}

static struct insn *last_insn(struct blocks *b, const struct block *block)
{
    return part_insn(b, &b->part[block->parts + block->n - 1]);
}

/* Add what whole blocks have counted to their instructions, and start the blocks' counts again. */
static void blocks_fold(struct blocks *b)
{
    uint32_t n, k;

    for (n = 0; n < b->used; n++) {
        struct block *block = &b->block[n];

        if (!block->count)
            continue;
        for (k = 0; k < block->n; k++) {
            struct part *part = &b->part[block->parts + k];
            struct insn *i = part_insn(b, part);

            i->count += block->count;
            i->spent[R_AGI] += block->count * part->agi;
            i->spent[R_BYTE] += block->count * part->byte;
            i->spent[R_MULTIPLY] += block->count * part->multiply;
        }
        last_insn(b, block)->taken_count += block->taken;
        block->count = block->taken = 0;
    }
}

/* What a call of the engine's that has this block says of it, in place of its size. */
static uint32_t site_tag(const struct blocks *b, const struct block *block)
{
    return block->size | (uint32_t)b->epoch << 16;
}

/* Forget all blocks; their counts have been folded. Translations that have been given one are not to find
 * another in its place. */
static void blocks_forget(struct blocks *b)
{
    uint32_t n;

    for (n = 0; n < b->used; n++)
        b->block[n].tag = 0;
    if (b->epoch < NO_SITES)
        b->epoch++;
    memset(b->buckets, 0, sizeof b->buckets);
    b->used = b->parts_used = b->checks_used = b->stores_used = b->code_used = b->steps_used = 0;
    b->current = NULL;
}

/* Where a register, or what a step makes, is found at a block's start. */
static uint64_t place_of(const struct blocks *b, uint32_t from)
{
    return from < R_NONE ? records_of(b)->env + 8 * from : (uintptr_t)&b->value[from];
}

static INLINE uint32_t number_at(uint64_t place)
{
    uint32_t number;

    memcpy(&number, (const void *)(uintptr_t)place, 4);
    return number;
}

#include "_block_scan.h"

static int blocks_full(const struct blocks *b, const struct timing *t)
{
    return b->used == BLOCKS || b->parts_used + LONGEST_BLOCK > BLOCK_PARTS ||
        b->checks_used + 4 * LONGEST_BLOCK > BLOCK_CHECKS ||
        b->stores_used + MOST_STORES > BLOCK_STORES || b->code_used + 8192 > BLOCK_CODE ||
        b->steps_used + VALUES > BLOCK_STEPS ||
        t->used + LONGEST_BLOCK + 2 > t->capacity;
}

static int same_bytes(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    uint64_t x, y, difference = 0;
    uint32_t at, p, q;

    if (size < 8) {
        if (size < 4) {
            for (at = 0; at < size; at++)
                difference |= (uint64_t)(a[at] ^ b[at]);
            return !difference;
        }
        memcpy(&p, a, 4);
        memcpy(&q, b, 4);
        difference = p ^ q;
        memcpy(&p, a + size - 4, 4);
        memcpy(&q, b + size - 4, 4);
        return !(difference | (p ^ q));
    }
    for (at = 0; at + 8 < size; at += 8) {
        memcpy(&x, a + at, 8);
        memcpy(&y, b + at, 8);
        difference |= x ^ y;
    }
    memcpy(&x, a + size - 8, 8);
    memcpy(&y, b + size - 8, 8);
    return !(difference | (x ^ y));
}

static int is_block(const struct engine_state *s, const struct blocks *b, const struct block *block,
                    uint32_t address, uint32_t size)
{
    const uint8_t *code = (const uint8_t *)(uintptr_t)s->ram + s->code_frame + (address & 0xfff);

    return block->address == address && block->size == size &&
        same_bytes(b->code + block->code, code, size);
}

/* The block of this size at an address, as the code there is now; NULL where it crosses a page. */
static COLD struct block *find_block(struct engine_state *s, struct blocks *b, uint32_t address,
                                uint32_t size)
{
    uint32_t *bucket = &b->buckets[(address ^ address >> 14) & (BLOCK_BUCKETS - 1)], number;
    const uint8_t *code = (const uint8_t *)(uintptr_t)s->ram + s->code_frame + (address & 0xfff);
    struct block *block;

    if (!size || s->code_frame == NO_FRAME || (address & 0xfff) + size > 0x1000)
        return NULL;
    for (number = *bucket; number; number = b->block[number - 1].next)
        if (is_block(s, b, &b->block[number - 1], address, size))
            return &b->block[number - 1];
    if (blocks_full(b, records_of(b))) {
        ask_to_decode(s, records_of(b), NULL);
        bucket = &b->buckets[(address ^ address >> 14) & (BLOCK_BUCKETS - 1)];
    }
    block = &b->block[b->used];
    memset(block, 0, sizeof *block);
    block->state = (uintptr_t)s; /* for good: an old translation may have this place still */
    block->owner = (uintptr_t)b;
    block->address = address;
    block->size = size;
    block->code = b->code_used;
    memcpy(b->code + block->code, code, size);
    memset(b->code + block->code + size, 0, 16);
    b->code_used += size + 16;
    block->next = *bucket;
    *bucket = ++b->used;
    build_block(s, b, block);
    return block;
}

/* -- the life of a block --------------------------------------------------------------------- */

#include "_block_rep.h"

static INLINE void note_extra(struct blocks *b, uint32_t part, uint32_t clocks, uint64_t counter, uint32_t count)
{
    b->extra[b->extra_count].part = part;
    b->extra[b->extra_count].clocks = clocks;
    b->extra[b->extra_count].count = count;
    b->extra[b->extra_count++].counter = counter;
}

#include "_block_operands.h"
#include "_block_steps.h"
#include "_block_charge.h"

/* What its first instruction waits for. */
static INLINE void note_stall(struct blocks *b, const struct timing *t, const struct block *block)
{
    b->extra_agi = (t->previous_writes | t->previous_bytes) & block->first_address ? t->agi : 0;
    b->extra_byte = t->previous_bytes & block->first_reads ? t->byte_register : 0;
}

/* Whether no operand has to be looked at for itself. */
static INLINE int operands_are_plain(struct blocks *b, const struct timing *t, const struct block *block,
                                     int memory)
{
    return memory ? (b->memory = (uint32_t)foresee_memory(b, t, block)) != ALL_MEMORY
        : !skewed_operands(b, block);
}

/* Before a block: what it costs beyond what is fixed, as far as the registers tell. */
static INLINE int look_ahead(struct blocks *b, struct timing *t, const struct block *block)
{
    note_stall(b, t, block);
    return operands_are_plain(b, t, block, t->memory != 0) || look_at_operands(b, block);
}

/* All of that is known. */
static INLINE void note_odd(struct blocks *b, const struct block *block)
{
    b->odd = b->extra_count | b->extra_agi | b->extra_byte | block->flag_count;
}

/* Go on in the other kind of translation, from here. */
static void change_mode(struct engine_state *s)
{
    stop(s, EV_MODE);
}

/* Exact, for `span` instructions: longer each time that whole blocks did not get far. */
static COLD void be_exact(struct engine_state *s, struct blocks *b)
{
    if ((int64_t)(s->retired - b->whole_since) >= SOON || !b->span)
        b->span = SHORTEST_EXACT;
    else if (b->span < LONGEST_EXACT)
        b->span *= 4;
    b->exact_until = b->whole_since = s->retired + b->span;
    change_mode(s);
}

static int past_limit(const struct engine_state *s, const struct blocks *b)
{
    return s->retired >= s->limit || (b->timed && s->cycles >= s->cycle_limit);
}

static COLD void stop_or_be_exact(struct engine_state *s, struct blocks *b)
{
    if (past_limit(s, b))
        stop(s, EV_LIMIT);
    else
        be_exact(s, b);
}

/* Where a block begins inside the one that ran until now: how many instructions of that have completed; -1 when
 * it goes on. */
static COLD int begun_inside(struct blocks *b, const struct block *previous, uint32_t address, uint32_t size)
{
    if (previous->repeats && address == last_address(b, previous))
        return -1; /* one more iteration */
    return (int)begun_anew(b, previous, address, size);
}

/* The block that ran until now has ended where another one begins; 0 when it has not ended. */
static inline int end_block(struct engine_state *s, struct blocks *b, uint32_t address, uint32_t size)
{
    struct block *previous = b->current;
    uint32_t k = previous->n;

    if (address - previous->address < previous->size &&
        (address != previous->address || size != previous->size || k == 1)) {
        int completed = begun_inside(b, previous, address, size);

        if (completed < 0)
            return 0;
        k = (uint32_t)completed;
    }
    b->current = NULL;
    if (UNLIKELY(k != previous->n))
        break_off(s, b, previous, k, 0);
    else
        finish_block(s, b, previous, address);
    return 1;
}

/* There is no room for the block in front of the limit, or it is passed. */
static COLD void stop_before(struct engine_state *s, struct blocks *b)
{
    if (past_limit(s, b)) {
        stop(s, EV_LIMIT);
        return;
    }
    b->may_whole = 0; /* the limit is somewhere in this block */
    change_mode(s);
}

static COLD void one_exact(struct engine_state *s, struct blocks *b)
{
    b->exact_until = s->retired + 1; /* this block */
    change_mode(s);
}

/* A block begins, whole if it can. */
static HOT void begin_block(struct engine_state *s, struct blocks *b, struct block *block)
{
    uint64_t most = block->most;
    int fits = 1;

    b->memory = b->extra_count = b->extra_agi = b->extra_byte = 0;
    if (block->step_count && !run_steps(s, b, block))
        fits = 0;
    else if (UNLIKELY(block->repeats) && b->timed)
        most += foresee_rep(b, block, &fits);
    if (UNLIKELY(!fits))
        stop_or_be_exact(s, b);
    else if (UNLIKELY(s->retired + block->n > s->limit || (b->timed && s->cycles + most > s->cycle_limit)))
        stop_before(s, b);
    else if (b->timed && !look_ahead(b, records_of(b), block))
        one_exact(s, b);
    else {
        b->current = block;
        note_odd(b, block);
        s->at_ease = b->seen_count <= SEEN_BREAKS && !block->repeats;
    }
}

#include "_block_sites.h"

static void on_block(uc_engine *uc, uint64_t address64, uint32_t size, void *user)
{
    struct engine_state *s = user;
    struct blocks *b = blocks_of(s);
    uint32_t address = (uint32_t)address64;
    struct block *block;

    (void)uc;
    if (!b || s->event)
        return;
    if (b->mode == MODE_EXACT) {
        b->begun = address;
        if (b->may_whole && s->retired >= b->exact_until && s->in_flight_valid &&
            !(s->in_flight_kind & (KIND_SYSTEM | KIND_REP)) && s->in_flight != address)
            change_mode(s);
        return;
    }
    enter_code(s, address);
    if (b->current && !end_block(s, b, address, size))
        return;
    block = find_block(s, b, address, size);
    if (s->break_count) {
        if (is_break_in(s, address, size ? size : 1)) {
            one_exact(s, b);
            return;
        }
        s->skip_break = 0; /* it was for the first instruction */
    }
    if (!block || block->slow) {
        b->extra_count = 0;
        stop_or_be_exact(s, b);
        return;
    }
    GIVE_BLOCK(s, b, block);
    begin_block(s, b, block);
}
#include "_block_runs.h"

#endif
