/* The steps of a block (_block_values.h), run at its start. Part of _blocks.h. */

/* Whether a store in front of a load, from operand n on, may change what is there, at `address` in `frame`. */
static HOT int may_change(const struct engine_state *s, struct blocks *b, const struct block *block,
                      const struct step *step, uint32_t n, uint32_t address, uint32_t frame)
{
    const struct timing *t = records_of(b);

    for (; n < step->checks; n++) {
        const struct check *k = &b->check[block->checks + n];
        uint32_t at;

        if (!(k->use & USE_WRITE))
            continue;
        at = operand_address(k);
        if ((((address - at) & 0xfff) < k->size || ((at - address) & 0xfff) < step->size) &&
            ((at & 0xfff) + k->size > 0x1000 || plain_frame(s, t, at >> 12) == frame))
            return 1;
    }
    return 0;
}

static INLINE uint32_t extended(uint32_t size, uint32_t value)
{
    return (uint32_t)((int32_t)(value << (32 - 8 * size)) >> (32 - 8 * size));
}

static INLINE int load_value(const struct engine_state *s, struct blocks *b, const struct block *block,
                      const struct step *step, uint32_t at, uint32_t *value)
{
    const struct timing *t = records_of(b);
    uint32_t address = live(t, t->at_base[step->segment]) + at, frame;
    const uint8_t *place;
    uint32_t first = step->op == V_FORWARD ? step->part : 0;

    if ((address & 0xfff) + step->size > 0x1000)
        return 0;
    if (!b->load_frame || b->load_page != address >> 12) {
        b->load_page = address >> 12;
        b->load_frame = plain_frame(s, t, b->load_page) | 1;
    }
    frame = b->load_frame & ~1u;
    if (frame == (NO_FRAME & ~1u) || (step->stores && may_change(s, b, block, step, first, address, frame)))
        return 0;
    if (step->op == V_FORWARD)
        return 1;
    place = (const uint8_t *)(uintptr_t)s->ram + (frame | (address & 0xfff));
    if (step->size == 4) {
        memcpy(value, place, 4);
        return 1;
    }
    *value = step->size == 1 ? place[0] : place[0] | (uint32_t)place[1] << 8;
    if (step->op == V_LOAD_SIGNED)
        *value = extended(step->size, *value);
    return 1;
}

/* Whether the condition of a SETcc holds; flags of CMP x, y or of TEST x, y. */
static int condition_of(const struct step *step, uint32_t x, uint32_t y)
{
    uint32_t unused = 32 - 8 * step->size, sign = 0x80000000u, result, flags = 0;

    x <<= unused;
    y <<= unused;
    result = step->segment == F_DIFFERENCE ? x - y : x & y;
    if (step->segment == F_DIFFERENCE) {
        flags |= x < y ? 1 : 0;
        flags |= (x ^ y) & (x ^ result) & sign ? 0x800 : 0;
    }
    flags |= result ? 0 : 0x40;
    flags |= result & sign ? 0x80 : 0;
    flags |= __builtin_parity(result >> unused & 0xff) ? 0 : 4;
    return condition_holds(flags, step->scale);
}

static void note_condition_taken(struct blocks *b, const struct block *block,
                                 const struct step *step, uint32_t x, uint32_t y)
{
    const struct insn *i = part_insn(b, &b->part[block->parts + step->part]);

    if (condition_of(step, x, y))
        note_extra(b, step->part, (uint32_t)i->taken - i->base, step->counter, 1);
}

static INLINE void note_multiplied(struct blocks *b, const struct step *step, uint32_t clocks)
{
    note_extra(b, step->part, clocks, step->counter, clocks);
}

static INLINE void note_signed(struct blocks *b, const struct step *step, uint32_t x)
{
    note_multiplied(b, step, clocks_of_multiplier((int32_t)extended(step->size, x), step->scale));
}

/* Make the values; 0 when one cannot be known yet. Page tables are not for user mode to read. */
static INLINE int run_steps(const struct engine_state *s, struct blocks *b, const struct block *block)
{
    const struct timing *t = records_of(b);
    const struct step *step = &b->step[block->steps], *end = step + block->step_count;

    if (!b->user && live(t, t->at_cr0) & CR0_PG)
        return 0;
    for (; step != end; step++) {
        uint32_t x = number_at(step->place_a) + step->plus, y = number_at(step->place_b) + step->plus_b;
        uint32_t made = 0;

        switch (step->op) {
        case V_LOAD: case V_LOAD_SIGNED:
            if (!load_value(s, b, block, step, x + y * step->scale, &made))
                return 0;
            if (!step->multiplies)
                break;
            b->value[step->to] = made;
            note_signed(b, ++step, made);
            continue;
        case V_FORWARD:
            made = x;
            if (!load_value(s, b, block, step, y, &made))
                return 0;
            break;
        case V_SUM: made = x + y * step->scale; break;
        case V_MINUS: made = x - y; break;
        case V_AND: made = x & y; break;
        case V_OR: made = x | y; break;
        case V_XOR: made = x ^ y; break;
        case V_SHL: made = x << y; break;
        case V_SHR: made = x >> y; break;
        case V_SAR: made = (uint32_t)((int32_t)x >> y); break;
        case V_TIMES: made = x * y; break;
        case V_HIGH: made = (uint32_t)((uint64_t)x * y >> 32); break;
        case V_HIGH_SIGNED: made = (uint32_t)((int64_t)(int32_t)x * (int32_t)y >> 32); break;
        case V_SIGNED: made = (uint32_t)((int32_t)(x << y) >> y); break;
        case V_CONDITION:
            note_condition_taken(b, block, step, x, y);
            break;
        case V_CLOCKS_SIGNED:
            note_signed(b, step, x);
            break;
        default:
            note_multiplied(b, step, clocks_of_multiplier(of_size(step->size, x), 0));
        }
        b->value[step->to] = made;
    }
    return 1;
}
