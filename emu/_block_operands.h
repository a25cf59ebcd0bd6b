/* Operands of a block, looked at before it runs. Part of _blocks.h. */

/* The TLB has the page, and for a write the entry is dirty already: looking it up costs nothing. *entry: where; *moved:
 * but not where its set was touched last. */
static INLINE int tlb_entry(const struct timing *t, uint32_t page, uint32_t write, uint32_t *entry, uint32_t *moved)
{
    uint32_t index = page & 7, way = TOUCHED_LAST[t->tlb_bits[index] & 7];

    if (t->tlb_last[index] != page + 1) {
        int found = way_of(t->tlb_tags, index, page + 1);

        if (found < 0)
            return 0;
        way = (uint32_t)found;
        *moved = 1;
    }
    *entry = index * WAYS + way;
    return !write || t->tlb_dirty[*entry];
}

static int tlb_holds(const struct timing *t, uint32_t page, uint32_t write)
{
    uint32_t entry, moved;

    return tlb_entry(t, page, write, &entry, &moved);
}

static int operand_held(const struct timing *t, const struct check *k, uint32_t address)
{
    uint32_t last = address + k->size - 1;

    return tlb_holds(t, address >> 12, k->use & USE_WRITE) &&
        (address >> 12 == last >> 12 || tlb_holds(t, last >> 12, k->use & USE_WRITE));
}

static INLINE uint32_t operand_address(const struct check *k)
{
    return number_at(k->segment_place) + (uint32_t)k->displacement +
        number_at(k->base_place) + number_at(k->index_place) * k->scale;
}

/* Before a block whose operands may be misaligned, or under a profile with memory: look at each. 0 when the
 * TLB would be filled on the way: page tables must be read when an access is made, not before. */
static HOT int look_at_operands(struct blocks *b, const struct block *block)
{
    struct timing *t = records_of(b);
    int walks = t->memory && live(t, t->at_cr0) & CR0_PG;
    uint32_t n;

    if (walks && !tlb_holds(t, block->address >> 12, 0))
        return 0;
    for (n = 0; n < block->check_count; n++) {
        const struct check *k = &b->check[block->checks + n];
        uint32_t address = operand_address(k);

        if (walks && !operand_held(t, k, address))
            return 0;
        if ((address & 3) + k->size > 4 && t->misaligned) {
            struct insn *i = part_insn(b, &b->part[block->parts + k->part]);
            uint32_t clocks = t->misaligned * crossings(address, k->size) * (k->use == USE_RMW ? 2 : 1);

            note_extra(b, k->part, clocks, (uintptr_t)&i->spent[R_MISALIGNED], clocks);
        }
        b->address[n] = address;
    }
    return 1;
}

/* Whether an operand of two bytes and more may be misaligned: one of each kind, as they are or are not together. */
static INLINE uint32_t skewed_operands(const struct blocks *b, const struct block *block)
{
    const struct check *k = &b->check[block->checks + block->check_count], *end = k + block->quick_count;
    uint32_t skewed = 0;

    for (; k != end; k++)
        skewed |= operand_address(k);
    return skewed & 3;
}
