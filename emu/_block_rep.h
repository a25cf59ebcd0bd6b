/* REP instructions in a block: how long they may take, and how long they took. Part of _blocks.h. */

static uint32_t value_of(const struct blocks *b, const struct symbol *symbol)
{
    return symbol->plus + number_at(place_of(b, symbol->from));
}

static uint64_t rep_clocks(const struct insn *i, uint32_t done)
{
    return done == 0 ? i->rep_none : done == 1 ? i->rep_one
        : i->rep_start + (uint64_t)i->rep_each * done;
}

/* What the REP instruction at the end will cost at most; *fits = 0 when it wants to be watched. */
static COLD uint64_t foresee_rep(struct blocks *b, const struct block *block, int *fits)
{
    struct timing *t = records_of(b);
    const struct insn *i = last_insn(b, block);
    uint32_t size = i->access_count ? i->access[0].size : 1;
    uint32_t target = value_of(b, &block->rep_target);
    uint64_t reach;

    b->rep_start = value_of(b, &block->rep_count);
    reach = (uint64_t)size * b->rep_start + 0x1000;
    if ((value_of(b, &block->rep_source) | target | live(t, t->at_base[0]) |
         live(t, t->at_base[i->segment])) & (size - 1))
        *fits = 0; /* misaligned */
    if (block->last_stores && (uint64_t)(target - block->address) + reach > 0xffffffffu - reach)
        *fits = 0;
    if (block->last_stores && target - block->address < reach)
        *fits = 0; /* it may write over itself */
    return rep_clocks(i, b->rep_start);
}

/* The REP instruction at the end has done what ECX says. */
static COLD uint64_t take_rep(struct blocks *b, const struct block *block)
{
    struct timing *t = records_of(b);
    struct insn *i = last_insn(b, block);
    uint64_t clocks = rep_clocks(i, b->rep_start - gpr(t, G_ECX));

    i->spent[R_REP] += clocks;
    return clocks;
}
