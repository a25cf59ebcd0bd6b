/*
 * Where the engine calls on_block from, and how a block is found there at once. Part of _blocks.h.
 *
 * Each translation of a block has its own call, with the address and the size of the block and our state as
 * constants:
 *
 *     mov edx, size;  lea rcx, [rip + state]  (or mov rcx, state);  call on_block  (or call [rip + slot])
 *
 * When a block has been worked out, the constants of that call become the block and its tag, and the call
 * goes to a hook that takes it from there. A translation that is dropped takes its constants with it, and the
 * next one of the same place has the engine's: so a block that is given here has the bytes that were translated,
 * and nobody needs to compare them. Where the code looks otherwise - another processor, compiler or engine - nothing is
 * changed, and every block is looked up.
 */
#ifndef EMU_BLOCK_SITES_H
#define EMU_BLOCK_SITES_H

#if defined(__GNUC__) && defined(__x86_64__) && defined(__linux__)

enum { CALL_REL32 = 0xe8, CALL_SLOT = 0xff, CALL_SLOT_MODRM = 0x15, MOV_EDX = 0xba, NEAR_CALL = 5, FAR_CALL = 6,
       MOV_EDX_SIZE = 5, LEA_RCX = 7, MOV_RCX = 10 };

static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user);

/* Not as usual: the block before has not just ended, one of the two is not charged as always, or somebody wants to
 * be asked. */
static HOT void on_odd_block(struct block *block, uint32_t address, uint32_t tag)
{
    struct engine_state *s = (struct engine_state *)(uintptr_t)block->state;
    struct blocks *b = blocks_of(s);

    if (tag != block->tag || !b || s->event || b->mode != MODE_WHOLE || b->seen_count > SEEN_BREAKS) {
        on_block(NULL, address, tag & 0xffff, s);
        return;
    }
    s->skip_break = 0; /* it was for the first instruction */
    if (!b->current || end_block(s, b, address, block->size))
        begin_block(s, b, block);
}

/* What on_odd_block is for; else a block that is charged as always has ended where this one begins. */
static INLINE int is_odd(const struct engine_state *s, const struct blocks *b, const struct block *block,
                         uint32_t address, uint32_t tag)
{
    const struct block *previous = b->current;

    return tag != block->tag || !s->at_ease ||
        (address - previous->address < previous->size && (block != previous || block->n == 1));
}

/* Blocks are counted. */
static void on_counted_block(uc_engine *uc, uint64_t address, uint32_t tag, void *user)
{
    struct block *block = user;
    struct engine_state *s = (struct engine_state *)(uintptr_t)block->state;
    struct blocks *b = (struct blocks *)(uintptr_t)block->owner;

    (void)uc;
    if (UNLIKELY(is_odd(s, b, block, (uint32_t)address, tag))) {
        on_odd_block(block, (uint32_t)address, tag);
        return;
    }
    count_block(s, b->current);
    b->current = block;
    if (UNLIKELY(s->retired + block->n > s->limit || block->room == NEVER)) {
        b->current = NULL;
        begin_block(s, b, block);
    }
}

/* Something has to be asked before the block begins. */
static HOT void begin_asking(struct engine_state *s, struct blocks *b, struct block *block)
{
    b->current = NULL;
    begin_block(s, b, block);
}

/* No room in front of a limit, or none that is known. */
static INLINE int is_short_of_room(const struct engine_state *s, const struct block *block)
{
    return s->retired + block->n > s->limit || s->cycles + block->room > s->cycle_limit;
}

/* What begin_block does where nothing has to be asked, of a block that costs more than what is fixed: its first
 * instruction waits, or numbers decide. */
static INLINE void begin_costly(struct engine_state *s, struct blocks *b, struct block *block, int memory)
{
    struct timing *t = records_of(b);

    b->extra_count = 0;
    note_stall(b, t, block);
    if (UNLIKELY(block->step_count && !run_steps(s, b, block))) {
        begin_asking(s, b, block);
        return;
    }
    note_odd(b, block);
    if (UNLIKELY(!operands_are_plain(b, t, block, memory)))
        begin_asking(s, b, block);
}

static HOT void begin_costly_plain(struct engine_state *s, struct blocks *b, struct block *block)
{
    begin_costly(s, b, block, 0);
}

static HOT void begin_costly_remembered(struct engine_state *s, struct blocks *b, struct block *block)
{
    begin_costly(s, b, block, 1);
}

/* A block that is costly, or reaches for other lines, has ended. */
static INLINE void follow_costly(struct engine_state *s, struct blocks *b, struct block *previous,
                                 struct block *block, int memory)
{
    struct timing *t = records_of(b);

    count_charged(s, t, previous, block->address, memory ? clocks_with_memory(s, b, t, previous)
                  : clocks_without_memory(b, previous));
    b->odd = 0;
    if (UNLIKELY(is_short_of_room(s, block)))
        begin_asking(s, b, block);
    else
        begin_costly(s, b, block, memory);
}

static HOT void follow_costly_plain(struct engine_state *s, struct blocks *b, struct block *previous,
                                    struct block *block)
{
    follow_costly(s, b, previous, block, 0);
}

static HOT void follow_costly_remembered(struct engine_state *s, struct blocks *b, struct block *previous,
                                         struct block *block)
{
    follow_costly(s, b, previous, block, 1);
}

/* A block that costs what it always does has ended. */
static INLINE void follow_cheap(struct engine_state *s, struct blocks *b, struct block *previous,
                                struct block *block, uint32_t address, int memory)
{
    struct timing *t = records_of(b);

    count_charged(s, t, previous, address, memory ? quiet_clocks(s, b, t, previous) : previous->fixed);
    if (UNLIKELY(is_short_of_room(s, block)))
        begin_asking(s, b, block);
    else if ((previous->leaves & block->needs) | block->costly)
        (memory ? begin_costly_remembered : begin_costly_plain)(s, b, block);
    else if (UNLIKELY(!operands_are_plain(b, t, block, memory)))
        begin_asking(s, b, block);
}

/* Blocks are charged, with or without memory. All that is more is called last, so that nothing has to be kept. */
static INLINE void on_timed_block(struct block *block, uint32_t address, uint32_t tag, int memory)
{
    struct block *previous;
    struct engine_state *s = (struct engine_state *)(uintptr_t)block->state;
    struct blocks *b = (struct blocks *)(uintptr_t)block->owner;

    if (UNLIKELY(is_odd(s, b, block, address, tag))) {
        on_odd_block(block, address, tag);
        return;
    }
    previous = b->current;
    b->current = block;
    if (b->odd || (memory && b->memory != QUIET))
        (memory ? follow_costly_remembered : follow_costly_plain)(s, b, previous, block);
    else
        follow_cheap(s, b, previous, block, address, memory);
}

static void on_charged_block(uc_engine *uc, uint64_t address, uint32_t tag, void *user)
{
    (void)uc;
    on_timed_block(user, (uint32_t)address, tag, 0);
}

static void on_remembered_block(uc_engine *uc, uint64_t address, uint32_t tag, void *user)
{
    (void)uc;
    on_timed_block(user, (uint32_t)address, tag, 1);
}

typedef void (*block_hook)(uc_engine *, uint64_t, uint32_t, void *);

static block_hook hook_for(struct blocks *b)
{
    return !b->timed ? on_counted_block : records_of(b)->memory ? on_remembered_block : on_charged_block;
}

static int rel32(const uint8_t *from, uint64_t to, int32_t *distance)
{
    int64_t whole = (int64_t)(to - (uintptr_t)from);

    *distance = (int32_t)whole;
    return *distance == whole;
}

static uint64_t rel32_target(const uint8_t *behind)
{
    int32_t distance;

    memcpy(&distance, behind - 4, 4);
    return (uintptr_t)behind + (uint64_t)(int64_t)distance;
}

/* A number in the engine's code: what it is, and what it is to become. */
struct constant {
    uint8_t *at;
    uint32_t size;
    uint64_t value;
};

/* The call in front of `back`, of on_block; its length, or 0. */
static uint32_t call_of(uint8_t *back, block_hook hook, struct constant *target)
{
    uint64_t slot;
    int32_t distance;

    if (back[-NEAR_CALL] == CALL_REL32 && rel32_target(back) == (uintptr_t)on_block) {
        if (!rel32(back, (uintptr_t)hook, &distance))
            return 0;
        *target = (struct constant){back - 4, 4, (uint32_t)distance};
        return NEAR_CALL;
    }
    if (back[-FAR_CALL] != CALL_SLOT || back[1 - FAR_CALL] != CALL_SLOT_MODRM)
        return 0;
    *target = (struct constant){(uint8_t *)(uintptr_t)rel32_target(back), 8, (uintptr_t)hook};
    memcpy(&slot, target->at, 8);
    return slot == (uintptr_t)on_block ? FAR_CALL : 0;
}

/* What loads our state into RCX in front of the call; its length, or 0. */
static uint32_t argument_of(uint8_t *call, uint64_t state, uint64_t block, struct constant *argument)
{
    static const uint8_t lea[] = {0x48, 0x8d, 0x0d}, mov[] = {0x48, 0xb9};
    int32_t distance;

    if (!memcmp(call - LEA_RCX, lea, sizeof lea) && rel32_target(call) == state) {
        if (!rel32(call, block, &distance))
            return 0;
        *argument = (struct constant){call - 4, 4, (uint32_t)distance};
        return LEA_RCX;
    }
    *argument = (struct constant){call - 8, 8, block};
    return memcmp(call - MOV_RCX, mov, sizeof mov) || memcmp(call - 8, &state, 8) ? 0 : MOV_RCX;
}

/* The engine's call behind which `back` is has this block from now on. */
static void give_block(const struct engine_state *s, struct blocks *b, struct block *block, uint8_t *back)
{
    uint32_t call, argument, n, tag = site_tag(b, block);
    struct constant change[3];
    uint8_t *edx;

    if (b->epoch == NO_SITES || !(call = call_of(back, hook_for(b), &change[0])) ||
        !(argument = argument_of(back - call, (uintptr_t)s, (uintptr_t)block, &change[1])))
        return;
    edx = back - call - argument - MOV_EDX_SIZE;
    if (*edx != MOV_EDX || memcmp(edx + 1, &block->size, 4))
        return;
    change[2] = (struct constant){edx + 1, 4, tag};
    block->tag = tag;
    b->given++;
    for (n = 0; n < 3; n++)
        memcpy(change[n].at, &change[n].value, change[n].size);
}

#define GIVE_BLOCK(s, b, block) give_block(s, b, block, __builtin_return_address(0))
#else
#define GIVE_BLOCK(s, b, block) ((void)0)
#endif
#endif
