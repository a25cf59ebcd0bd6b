/* Runs: going over between whole blocks and single instructions. Part of _blocks.h. */

static void x87_finish(struct engine_state *s);

/* -- runs ------------------------------------------------------------------------------------ */

/* Nothing wants to be asked about single instructions. */
static int may_run_whole(const struct engine_state *s)
{
    const uint32_t *regs = (const uint32_t *)(uintptr_t)s->regs;
    uint32_t flags = regs[FIELD_EFLAGS];

    return !(regs[FIELD_DR7] & 0xff) && !s->watch_count && !s->accesses && !s->watch_if &&
        !s->allow_io &&
        !(flags & (EFLAGS_TF | EFLAGS_RF | EFLAGS_VM)) && regs[FIELD_HFLAGS] & HF_CS32 &&
        s->retired + LATE < s->limit;
}

static void mark_live(const struct timing *t, int whole)
{
    uint32_t hflags = live(t, t->at_hflags) & ~(uint32_t)HF_WHOLE;

    if (whole)
        hflags |= HF_WHOLE;
    memcpy((uint8_t *)(uintptr_t)t->env + t->at_hflags, &hflags, 4);
}

/* Blocks that have a breakpoint now lose their tags, so that they are looked up and run exactly; others get them
 * back. Where there are many breakpoints, every block is looked up. */
static COLD void see_breaks(const struct engine_state *s, struct blocks *b)
{
    uint32_t n;

    b->seen_count = s->break_count;
    if (s->break_count > SEEN_BREAKS)
        return;
    memcpy(b->seen, (const void *)(uintptr_t)s->breaks, s->break_count * sizeof b->seen[0]);
    for (n = 0; n < b->used; n++) {
        struct block *block = &b->block[n];

        block->tag = block->slow || is_break_in(s, block->address, block->size) ? 0 : site_tag(b, block);
    }
}

static int breaks_changed(const struct engine_state *s, const struct blocks *b)
{
    return s->break_count != b->seen_count ||
        (s->break_count && s->break_count <= SEEN_BREAKS &&
         memcmp(b->seen, (const void *)(uintptr_t)s->breaks, s->break_count * sizeof b->seen[0]));
}

static void set_mode(struct engine_state *s, struct blocks *b, uint64_t mode)
{
    uint64_t *bounds = (uint64_t *)(uintptr_t)b->bounds;

    b->mode = mode;
    bounds[0] = mode == MODE_WHOLE ? UINT64_MAX : 1; /* no address, every address */
    bounds[1] = mode == MODE_WHOLE ? UINT64_MAX : 0;
    mark_live(records_of(b), mode == MODE_WHOLE);
    b->user = live_cpl(records_of(b)) == 3; /* no block that runs whole changes it */
    s->at_ease = 0;
    if (mode == MODE_WHOLE) {
        if (breaks_changed(s, b))
            see_breaks(s, b);
        b->load_frame = 0;
        b->charged_from = s->cycles;
        s->completed = 1; /* RF is clear where blocks run whole */
    }
}

/* What blocks have been charged since they run whole is user mode's, or it is not. */
static void leave_whole(const struct engine_state *s, struct blocks *b)
{
    if (b->timed && b->user)
        records_of(b)->user_cycles += s->cycles - b->charged_from;
}

static void begin_blocks(struct engine_state *s, struct blocks *b)
{
    b->may_whole = (uint32_t)may_run_whole(s);
    b->current = NULL;
    set_mode(s, b, b->may_whole && s->retired >= b->exact_until ? MODE_WHOLE : MODE_EXACT);
}

/* The run goes on in the middle of an exact translation, with other limits. */
static void stay_exact(struct engine_state *s, struct blocks *b)
{
    b->may_whole = (uint32_t)may_run_whole(s);
    b->current = NULL;
    b->whole_since = s->retired;
}

/* Nobody outside sees the mark. */
static void leave_blocks(struct blocks *b)
{
    mark_live(records_of(b), 0);
}

/* The change that on_block asked for; EIP to go on from. */
static uint32_t other_mode(struct engine_state *s, struct blocks *b)
{
    struct timing *t = records_of(b);
    uint32_t eip = live(t, t->at_eip);

    if (b->mode == MODE_EXACT) {
        s->completed = 1;
        x87_finish(s);
        if (s->timing)
            timing_finish(s, eip + live(t, t->at_base[1]));
        b->current = NULL;
    } else
        leave_whole(s, b);
    s->event = EV_NONE;
    s->in_flight_valid = 0;
    s->in_flight_kind = s->previous_kind = 0;
    set_mode(s, b, !b->mode);
    return eip;
}

/* What a run that ended among whole blocks leaves: as if each instruction had been seen. */
static void settle_blocks(struct engine_state *s, struct blocks *b)
{
    uint32_t *regs = (uint32_t *)(uintptr_t)s->regs;
    uint32_t at = regs[FIELD_EIP] + regs[FIELD_CS_BASE], k;
    struct block *block = b->current;
    int refused = (s->event == EV_INVALID && !s->value) || (s->event == EV_NONE && s->error) ||
        (s->event == EV_TRAP && s->vector != VECTOR_DB && !regs[s->is_int_field]);

    s->flags_known = 0;
    s->in_flight_valid = block != NULL;
    if (!block) {
        leave_whole(s, b);
    } else if ((k = refused ? part_at(b, block, at) : block->n) == block->n) {
        finish_block(s, b, block, at);
        leave_whole(s, b);
        s->in_flight = last_address(b, block);
    } else {
        break_off(s, b, block, k, 1);
        leave_whole(s, b);
        if (block->repeats && k + 1 == block->n)
            cut_rep(s, b, block); /* of an instruction that has not completed: no user's time */
        s->in_flight = block->address + b->part[block->parts + k].offset;
    }
    b->current = NULL;
    if (s->completed)
        regs[FIELD_EFLAGS] &= ~(uint32_t)EFLAGS_RF;
}
